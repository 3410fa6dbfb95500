#include <spillway/identity/client_certificate.hpp>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>

#include <spillway/base/base64.hpp>
#include <spillway/base/civil.hpp>
#include <spillway/base/freed.hpp>
#include <spillway/base/percent.hpp>
#include <spillway/base/plain_file.hpp>
#include <spillway/base/text.hpp>
#include <spillway/net/tls_context.hpp>

namespace spillway::identity {
namespace {

using cert_ptr = owned<X509, X509_free>;
using bio_ptr = owned<BIO, BIO_free_all>;

wall_time time_of(const ASN1_TIME* t) noexcept {
    std::tm parts{};
    if (ASN1_TIME_to_tm(t, &parts) != 1) return {};
    const auto day = civil::day_of(parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
    const auto time = civil::time_of_day(parts.tm_hour, parts.tm_min, parts.tm_sec);
    return day && time ? civil::wall_time_of(*day + *time) : wall_time();
}

std::string text_of_name(const ASN1_IA5STRING* s) {
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
        if (n->type == GEN_DNS) name = "dns:" + text_of_name(n->d.dNSName);
        if (n->type == GEN_URI) name = "uri:" + text_of_name(n->d.uniformResourceIdentifier);
        if (n->type == GEN_EMAIL) name = "email:" + text_of_name(n->d.rfc822Name);
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
    const owned<X509_STORE_CTX, X509_STORE_CTX_free> context(X509_STORE_CTX_new());
    if (!context || X509_STORE_CTX_init(context.get(), trust.get(), certificate, nullptr) != 1) return false;
    X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_SSL_CLIENT);
    const bool good = X509_verify_cert(context.get()) == 1;
    ERR_clear_error();
    return good;
}

// Reads an X-Forwarded-Client-Cert: elements by comma, pairs by semicolon, values plain or in quotes. A client may
// have sent the beginning of it, hoping that the proxy's own element is read as a part of a text; so whatever is not
// exactly of that form makes the whole worthless.
class forwarded_list {
public:
    explicit forwarded_list(std::string_view text) : rest_(text) {}

    // The value of `Cert` in the last element; empty when there is none, or when the form is broken.
    std::string_view last_certificate() {
        std::string_view found;
        for (;;) {
            std::string_view name, value;
            if (!read_pair(name, value)) return {};
            if (text::iequals(name, "Cert")) found = value;
            if (rest_.empty()) return found;
            const char separator = rest_.front();
            if (separator != ';' && separator != ',') return {};
            rest_.remove_prefix(1);
            if (separator == ',') found = {};
        }
    }

private:
    bool read_pair(std::string_view& name, std::string_view& value) {
        while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
        const auto equals = rest_.find_first_of("=,;\"");
        if (equals == std::string_view::npos || equals == 0 || rest_[equals] != '=') return false;
        name = rest_.substr(0, equals);
        rest_.remove_prefix(equals + 1);
        return !rest_.empty() && rest_.front() == '"' ? read_quoted(value) : read_plain(value);
    }
    bool read_quoted(std::string_view& value) {
        for (std::size_t i = 1; i < rest_.size(); ++i) {
            if (rest_[i] == '\\') {
                ++i;
            } else if (rest_[i] == '"') {
                value = rest_.substr(1, i - 1);
                rest_.remove_prefix(i + 1);
                return true;
            }
        }
        return false;
    }
    bool read_plain(std::string_view& value) {
        value = rest_.substr(0, rest_.find_first_of(",;"));
        rest_.remove_prefix(value.size());
        return value.find('"') == std::string_view::npos;
    }

    std::string_view rest_;
};

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
    if (const auto t = trouble_with_file(ca_file, most_pem_bytes); !t.what.empty())
        return fault{.code = "TlsFile", .message = t.about(ca_file)};
    trust_store out(X509_STORE_new(), [](X509_STORE* p) { X509_STORE_free(p); });
    if (!out || X509_STORE_load_file(out.get(), ca_file.c_str()) != 1) {
        ERR_clear_error();
        return fault{.code = "TlsFile", .message = "cannot read the client authorities " + ca_file};
    }
    net::settle_certificates(out.get());
    return out;
}

core::certificate_claims read_certificate(X509* certificate, bool vouched) {
    core::certificate_claims out;
    unsigned size = 0;
    X509_digest(certificate, EVP_sha256(), out.fingerprint.data(), &size);
    out.not_before = time_of(X509_get0_notBefore(certificate));
    out.expires = time_of(X509_get0_notAfter(certificate));
    if (vouched) add_names(certificate, out.names);
    ERR_clear_error();  // an error that is left behind would be taken for one of the next TLS connection
    return out;
}

std::optional<core::certificate_claims> read_forwarded_certificate(std::string_view value, const trust_store& trust) {
    constexpr std::size_t longest = 16 * 1024;
    if (value.empty() || value.size() > longest) return std::nullopt;
    // Neither base64 nor percent-encoding has any of these.
    if (value.find_first_of("\",;") != std::string_view::npos || text::istarts_with(value, "Cert="))
        value = forwarded_list(value).last_certificate();
    const auto text = percent::decoded(value);
    if (!text || text->empty()) return std::nullopt;
    const auto certificate = parse_certificate(*text);
    ERR_clear_error();
    if (!certificate) return std::nullopt;
    return read_certificate(certificate.get(), signed_by(trust, certificate.get()));
}

}  // namespace spillway::identity
