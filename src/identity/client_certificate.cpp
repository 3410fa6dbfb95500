#include <spillway/identity/client_certificate.hpp>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>

#include <spillway/base/base64.hpp>
#include <spillway/base/text.hpp>

namespace spillway::identity {
namespace {

template <auto Free>
struct freed {
    template <class T>
    void operator()(T* p) const noexcept {
        Free(p);
    }
};
using cert_ptr = std::unique_ptr<X509, freed<X509_free>>;
using bio_ptr = std::unique_ptr<BIO, freed<BIO_free_all>>;

wall_time time_of(const ASN1_TIME* t) noexcept {
    std::tm parts{};
    if (ASN1_TIME_to_tm(t, &parts) != 1) return {};
    return wall_clock::from_time_t(::timegm(&parts));
}

std::string text_of(const ASN1_IA5STRING* s) {
    const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(s));
    std::string out(data, static_cast<std::size_t>(ASN1_STRING_length(s)));
    // A zero inside has fooled many a reader about where a name ends.
    return out.find('\0') == std::string::npos ? out : std::string();
}

void add_names(X509* certificate, std::vector<std::string>& out) {
    constexpr std::size_t most = 64;
    auto* all = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    if (all == nullptr) return;
    for (int i = 0; i < sk_GENERAL_NAME_num(all) && out.size() < most; ++i) {
        const GENERAL_NAME* n = sk_GENERAL_NAME_value(all, i);
        std::string name;
        if (n->type == GEN_DNS) name = "dns:" + text_of(n->d.dNSName);
        if (n->type == GEN_URI) name = "uri:" + text_of(n->d.uniformResourceIdentifier);
        if (n->type == GEN_EMAIL) name = "email:" + text_of(n->d.rfc822Name);
        if (n->type == GEN_IPADD) {
            char text[INET6_ADDRSTRLEN];
            const bool v6 = ASN1_STRING_length(n->d.iPAddress) == 16;
            if (v6 || ASN1_STRING_length(n->d.iPAddress) == 4)
                if (::inet_ntop(v6 ? AF_INET6 : AF_INET, ASN1_STRING_get0_data(n->d.iPAddress), text, sizeof text))
                    name = std::string("ip:") + text;
        }
        if (!name.empty() && name.back() != ':') out.push_back(std::move(name));
    }
    GENERAL_NAMES_free(all);
}

bool signed_by(const trust_store& trust, X509* certificate) {
    if (!trust) return false;
    const std::unique_ptr<X509_STORE_CTX, freed<X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
    if (!context || X509_STORE_CTX_init(context.get(), trust.get(), certificate, nullptr) != 1) return false;
    X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_SSL_CLIENT);
    const bool good = X509_verify_cert(context.get()) == 1;
    ERR_clear_error();
    return good;
}

std::optional<std::string> percent_decoded(std::string_view s) {
    std::string out;
    for (std::size_t i = 0; i < s.size(); ++i) {
        if (s[i] != '%') {
            out += s[i];
            continue;
        }
        std::array<std::uint8_t, 1> byte{};
        if (i + 2 >= s.size() || !text::from_hex(s.substr(i + 1, 2), byte)) return std::nullopt;
        out += static_cast<char>(byte[0]);
        i += 2;
    }
    return out;
}

// The value of `Cert=` in the last element of an X-Forwarded-Client-Cert; empty when there is none.
std::string_view forwarded_certificate_text(std::string_view value) {
    std::string_view found;
    std::size_t at = 0;
    while (at < value.size()) {
        const std::size_t begin = at;
        bool quoted = false;
        while (at < value.size() && (quoted || (value[at] != ';' && value[at] != ','))) {
            if (value[at] == '\\' && quoted) ++at;
            else if (value[at] == '"') quoted = !quoted;
            ++at;
        }
        auto pair = text::trim(value.substr(begin, std::min(at, value.size()) - begin));
        if (text::istarts_with(pair, "Cert=")) {
            pair.remove_prefix(5);
            if (pair.size() >= 2 && pair.front() == '"' && pair.back() == '"') pair = pair.substr(1, pair.size() - 2);
            found = pair;
        }
        if (at < value.size() && value[at] == ',') found = {};
        ++at;
    }
    return found;
}

cert_ptr parse_certificate(const std::string& text) {
    constexpr std::string_view mark = "-----BEGIN CERTIFICATE-----";
    if (text.find(mark) != std::string::npos) {
        const bio_ptr from(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
        return cert_ptr(PEM_read_bio_X509(from.get(), nullptr, nullptr, nullptr));
    }
    const auto der = text::from_base64(text);
    if (!der || der->empty()) return nullptr;
    const auto* at = reinterpret_cast<const unsigned char*>(der->data());
    const auto* end = at + der->size();
    cert_ptr out(d2i_X509(nullptr, &at, static_cast<long>(der->size())));
    return at == end ? std::move(out) : nullptr;
}

}  // namespace

result<trust_store> load_trust(const std::string& ca_file) {
    trust_store out(X509_STORE_new(), [](X509_STORE* p) { X509_STORE_free(p); });
    if (!out || X509_STORE_load_file(out.get(), ca_file.c_str()) != 1) {
        ERR_clear_error();
        return fault{.code = "TlsFile", .message = "cannot read the client authorities " + ca_file};
    }
    return out;
}

core::certificate_claims read_certificate(X509* certificate, bool vouched) {
    core::certificate_claims out;
    unsigned size = 0;
    X509_digest(certificate, EVP_sha256(), out.fingerprint.data(), &size);
    out.not_before = time_of(X509_get0_notBefore(certificate));
    out.expires = time_of(X509_get0_notAfter(certificate));
    if (vouched) add_names(certificate, out.names);
    return out;
}

std::optional<core::certificate_claims> read_forwarded_certificate(std::string_view value, const trust_store& trust) {
    constexpr std::size_t longest = 16 * 1024;
    if (value.empty() || value.size() > longest) return std::nullopt;
    const bool structured = text::istarts_with(value, "Hash=") || text::istarts_with(value, "By=") ||
                            text::istarts_with(value, "Cert=") || text::istarts_with(value, "Subject=");
    if (structured) value = forwarded_certificate_text(value);
    const auto text = percent_decoded(value);
    if (!text || text->empty()) return std::nullopt;
    const auto certificate = parse_certificate(*text);
    ERR_clear_error();
    if (!certificate) return std::nullopt;
    return read_certificate(certificate.get(), signed_by(trust, certificate.get()));
}

}  // namespace spillway::identity
