#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <array>

#include <spillway/base/base64.hpp>
#include <spillway/base/freed.hpp>

#include "sources.hpp"

// An application that proves itself by a certificate: it signs a short-lived statement with its private key.
namespace spillway::credentials {
namespace {

using bio_ptr = owned<BIO, BIO_free_all>;
using cert_ptr = owned<X509, X509_free>;
using key_ptr = owned<EVP_PKEY, EVP_PKEY_free>;
using digest_ptr = owned<EVP_MD_CTX, EVP_MD_CTX_free>;

std::string thumbprint(X509* certificate, const EVP_MD* digest) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    unsigned size = 0;
    X509_digest(certificate, digest, out.data(), &size);
    return text::to_base64url({reinterpret_cast<const char*>(out.data()), size});
}

// Signed for one request to one endpoint.
result<secret_text> make_assertion(const token_endpoint& at, const std::string& certificate_file,
                                   const std::string& key_file) {
    const auto certificate_text = read_secret_file(certificate_file);
    if (!certificate_text) return certificate_text.error();
    const auto key_text = read_secret_file(key_file);
    if (!key_text) return key_text.error();
    const auto open = [](std::string_view s) {
        return bio_ptr(BIO_new_mem_buf(s.data(), static_cast<int>(s.size())));
    };
    const cert_ptr certificate(PEM_read_bio_X509(open(certificate_text->view()).get(), nullptr, nullptr, nullptr));
    const key_ptr key(PEM_read_bio_PrivateKey(open(key_text->view()).get(), nullptr, nullptr, nullptr));
    ERR_clear_error();
    if (!certificate) return unusable(certificate_file + " holds no certificate in PEM");
    if (!key || EVP_PKEY_base_id(key.get()) != EVP_PKEY_RSA) return unusable(key_file + " holds no RSA key in PEM");
    if (X509_check_private_key(certificate.get(), key.get()) != 1)
        return unusable("the key " + key_file + " does not belong to the certificate " + certificate_file);
    std::array<unsigned char, 16> random{};
    if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) return unusable("no random bytes");
    const auto now = std::chrono::duration_cast<seconds>(wall_clock::now().time_since_epoch()).count();
    constexpr int life = 600;
    const std::string header = R"({"alg":"RS256","typ":"JWT","x5t":")" + thumbprint(certificate.get(), EVP_sha1()) +
                               R"(","x5t#S256":")" + thumbprint(certificate.get(), EVP_sha256()) + "\"}";
    const std::string claims =
        R"({"aud":")" + at.url + R"(","iss":")" + at.client_id + R"(","sub":")" + at.client_id + R"(","jti":")" +
        text::to_base64url({reinterpret_cast<const char*>(random.data()), random.size()}) + R"(","nbf":)" +
        std::to_string(now) + R"(,"iat":)" + std::to_string(now) + R"(,"exp":)" + std::to_string(now + life) + "}";
    std::string signed_part = text::to_base64url(header) + "." + text::to_base64url(claims);
    const digest_ptr digest(EVP_MD_CTX_new());
    std::string signature(static_cast<std::size_t>(EVP_PKEY_size(key.get())), '\0');
    std::size_t size = signature.size();
    if (EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
        EVP_DigestSign(digest.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                       reinterpret_cast<const unsigned char*>(signed_part.data()), signed_part.size()) != 1) {
        ERR_clear_error();
        return unusable("the assertion cannot be signed with " + key_file);
    }
    signature.resize(size);
    signed_part += "." + text::to_base64url(signature);
    return result<secret_text>(secret_text(std::move(signed_part)));
}

class client_certificate final : public token_source {
public:
    client_certificate(token_endpoint at, std::string certificate, std::string key)
        : at_(std::move(at)), certificate_(std::move(certificate)), key_(std::move(key)) {}

    net::task<token_answer> get(net::fetcher& by, const token_ask& asked, net::interrupt* stop) override {
        auto assertion = make_assertion(at_, certificate_, key_);
        if (!assertion) {
            no_token out;
            out.message = assertion.error().message;
            co_return token_answer(std::move(out));
        }
        co_return co_await ask_with_assertion(by, at_, asked, std::move(*assertion), stop);
    }
    std::string describe() const override {
        return "application " + at_.client_id + " of " + at_.tenant + " by certificate";
    }

private:
    token_endpoint at_;
    std::string certificate_, key_;
};

}  // namespace

made_source make_client_certificate(const config::credential& from, const source_context& with) {
    if (!from.client_certificate) return std::unique_ptr<token_source>();
    const auto& c = *from.client_certificate;
    auto at = make_endpoint(c, with);
    if (!at) return at.error();
    // What is wrong with the files now is better said at the start than at the first use.
    if (const auto sample = make_assertion(*at, c.certificate, c.key); !sample) return sample.error();
    return std::unique_ptr<token_source>(std::make_unique<client_certificate>(std::move(*at), c.certificate, c.key));
}

}  // namespace spillway::credentials
