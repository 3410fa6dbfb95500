#include "identity_crypto.hpp"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <cstdio>
#include <span>
#include <stdexcept>
#include <vector>

#include <spillway/base/freed.hpp>
#include <spillway/base/text.hpp>

namespace spillway::sim {
namespace {

using context_ptr = owned<EVP_MD_CTX, EVP_MD_CTX_free>;

const unsigned char* bytes_of(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }
unsigned char* bytes_of(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }

const EVP_MD* digest_of(std::string_view algorithm) {
    if (algorithm == "RS384") return EVP_sha384();
    return algorithm == "RS512" ? EVP_sha512() : EVP_sha256();
}

// The salt of PS256 is as long as its digest.
bool set_padding(EVP_PKEY_CTX* how, std::string_view algorithm) {
    if (algorithm != "PS256") return true;
    return EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST) == 1;
}

std::string number_of(EVP_PKEY* key, const char* name) {
    BIGNUM* n = nullptr;
    if (EVP_PKEY_get_bn_param(key, name, &n) != 1) throw std::runtime_error("the key has no public half");
    std::string out(static_cast<std::size_t>(BN_num_bytes(n)), '\0');
    BN_bn2bin(n, bytes_of(out));
    BN_free(n);
    return base64url(out);
}

std::string hmac(std::string_view secret, std::string_view what) {
    std::string out(EVP_MAX_MD_SIZE, '\0');
    unsigned int size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), bytes_of(what), what.size(), bytes_of(out),
         &size);
    out.resize(size);
    return out;
}

}  // namespace

std::string base64(std::string_view bytes) {
    std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    const int size = EVP_EncodeBlock(bytes_of(out), bytes_of(bytes), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

std::string base64url(std::string_view bytes) {
    std::string out = base64(bytes);
    while (out.ends_with('=')) out.pop_back();
    for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return out;
}

std::optional<std::string> base64url_decoded(std::string_view text) {
    std::string padded(text);
    for (char& c : padded) {
        if (c == '+' || c == '/' || c == '=' || c == '\n' || c == '\r') return std::nullopt;
        c = c == '-' ? '+' : c == '_' ? '/' : c;
    }
    const std::size_t padding = (4 - padded.size() % 4) % 4;
    if (padding == 3) return std::nullopt;
    padded.append(padding, '=');
    std::string out(padded.size() / 4 * 3 + 1, '\0');
    const int size =
        EVP_DecodeBlock(bytes_of(out), bytes_of(std::string_view(padded)), static_cast<int>(padded.size()));
    if (size < 0) return std::nullopt;
    out.resize(static_cast<std::size_t>(size) - padding);
    return out;
}

signing_key::signing_key() : key_(EVP_RSA_gen(2048), EVP_PKEY_free) {
    if (!key_) throw std::runtime_error("cannot make an RSA key");
    const std::string pem = public_pem();
    std::string digest(EVP_MAX_MD_SIZE, '\0');
    unsigned int size = 0;
    EVP_Digest(pem.data(), pem.size(), bytes_of(digest), &size, EVP_sha1(), nullptr);
    kid_ = base64url(std::string_view(digest).substr(0, size));
}

std::string signing_key::sign(std::string_view algorithm, std::string_view what) const {
    if (algorithm == "none") return {};
    if (algorithm == "HS256") return hmac(public_pem(), what);
    const context_ptr context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* how = nullptr;
    std::size_t size = 0;
    bool signed_well = context &&
                       EVP_DigestSignInit(context.get(), &how, digest_of(algorithm), nullptr, key_.get()) == 1 &&
                       set_padding(how, algorithm) &&
                       EVP_DigestSign(context.get(), nullptr, &size, bytes_of(what), what.size()) == 1;
    std::string out(size, '\0');
    signed_well =
        signed_well && EVP_DigestSign(context.get(), bytes_of(out), &size, bytes_of(what), what.size()) == 1;
    if (!signed_well) throw std::runtime_error("cannot sign");
    out.resize(size);
    return out;
}

std::string signing_key::public_pem() const {
    const owned<BIO, BIO_free> memory(BIO_new(BIO_s_mem()));
    if (!memory || PEM_write_bio_PUBKEY(memory.get(), key_.get()) != 1)
        throw std::runtime_error("cannot write a public key");
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

json signing_key::jwk() const {
    return {{"kty", "RSA"},
            {"use", "sig"},
            {"kid", kid_},
            {"x5t", kid_},
            {"alg", "RS256"},
            {"n", number_of(key_.get(), OSSL_PKEY_PARAM_RSA_N)},
            {"e", number_of(key_.get(), OSSL_PKEY_PARAM_RSA_E)}};
}

std::string make_jwt(const json& header, const json& claims, const signing_key& by) {
    std::string out = base64url(to_text(header)) + "." + base64url(to_text(claims));
    const std::string signature = by.sign(string_or(header, "alg", ""), out);
    return out + "." + base64url(signature);
}

std::optional<jwt_parts> parse_jwt(std::string_view token) {
    const auto first = token.find('.');
    const auto last = token.rfind('.');
    if (first == std::string_view::npos || first == last || token.find('.', first + 1) != last) return std::nullopt;
    const auto header = base64url_decoded(token.substr(0, first));
    const auto claims = base64url_decoded(token.substr(first + 1, last - first - 1));
    const auto signature = base64url_decoded(token.substr(last + 1));
    if (!header || !claims || !signature) return std::nullopt;
    jwt_parts out{json::parse(*header, nullptr, false), json::parse(*claims, nullptr, false),
                  std::string(token.substr(0, last)), *signature};
    if (!out.header.is_object() || !out.claims.is_object()) return std::nullopt;
    return out;
}

std::optional<client_certificate> client_certificate::read(const std::string& file) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "re"), std::fclose);
    if (!in) return std::nullopt;
    std::shared_ptr<X509> found(PEM_read_X509(in.get(), nullptr, nullptr, nullptr), X509_free);
    if (!found) return std::nullopt;
    const EVP_PKEY* key = X509_get0_pubkey(found.get());
    if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) return std::nullopt;
    return client_certificate(std::move(found));
}

bool client_certificate::verifies(const jwt_parts& token) const {
    const std::string algorithm = string_or(token.header, "alg", "");
    if (algorithm != "RS256" && algorithm != "PS256") return false;
    const context_ptr context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* how = nullptr;
    return context &&
           EVP_DigestVerifyInit(context.get(), &how, EVP_sha256(), nullptr, X509_get0_pubkey(certificate_.get())) ==
               1 &&
           set_padding(how, algorithm) &&
           EVP_DigestVerify(context.get(), bytes_of(std::string_view(token.signature)), token.signature.size(),
                            bytes_of(std::string_view(token.signed_text)), token.signed_text.size()) == 1;
}

std::string client_certificate::thumbprint(const EVP_MD* digest) const {
    std::string out(EVP_MAX_MD_SIZE, '\0');
    unsigned int size = 0;
    X509_digest(certificate_.get(), digest, bytes_of(out), &size);
    out.resize(size);
    return out;
}

bool client_certificate::named_by(const json& header) const {
    const std::string sha1 = thumbprint(EVP_sha1());
    // Microsoft's own libraries leave the padding there, so Entra ID has to take it.
    const auto unpadded = [&header](const char* member) {
        std::string out = string_or(header, member, "");
        while (out.ends_with('=')) out.pop_back();
        return out;
    };
    const std::string long_name = unpadded("x5t#S256"), name = unpadded("x5t");
    if (!long_name.empty() && long_name != base64url(thumbprint(EVP_sha256()))) return false;
    if (!name.empty() && name != base64url(sha1)) return false;
    if (!long_name.empty() || !name.empty()) return true;
    const std::string kid = string_or(header, "kid", "");
    return kid == base64url(sha1) ||
           text::iequals(kid, text::to_hex({bytes_of(std::string_view(sha1)), sha1.size()}));
}

}  // namespace spillway::sim
