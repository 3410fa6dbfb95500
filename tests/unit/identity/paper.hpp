#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include <spillway/core/certificate.hpp>

// Certificates for tests, made when they are needed.
namespace spillway::identity {

class paper {
public:
    struct order {
        std::string common_name{"client"};
        std::string alternative_names;  // as OpenSSL's configuration spells them; empty: none
        bool authority{false};
        std::string usage;  // extended; empty: not said
        long from{-3600}, until{86400};
    };

    // Signed by `by`, or by itself.
    explicit paper(const order& o, const paper* by = nullptr)
        : key_(EVP_EC_gen("P-256"), EVP_PKEY_free), certificate_(X509_new(), X509_free) {
        X509* c = certificate_.get();
        X509_set_version(c, 2);
        static long serial = 0;
        ASN1_INTEGER_set(X509_get_serialNumber(c), ++serial);
        X509_gmtime_adj(X509_getm_notBefore(c), o.from);
        X509_gmtime_adj(X509_getm_notAfter(c), o.until);
        X509_set_pubkey(c, key_.get());
        X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>(o.common_name.c_str()), -1, -1, 0);
        X509_set_issuer_name(c, X509_get_subject_name(by != nullptr ? by->get() : c));
        add(NID_basic_constraints, o.authority ? "critical,CA:TRUE" : "CA:FALSE");
        if (!o.alternative_names.empty()) add(NID_subject_alt_name, o.alternative_names);
        if (!o.usage.empty()) add(NID_ext_key_usage, o.usage);
        X509_sign(c, by != nullptr ? by->key_.get() : key_.get(), EVP_sha256());
    }

    X509* get() const { return certificate_.get(); }

    std::string der() const {
        unsigned char* bytes = nullptr;
        const int size = i2d_X509(get(), &bytes);
        std::string out(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
        OPENSSL_free(bytes);
        return out;
    }
    std::string pem() const {
        const std::unique_ptr<BIO, decltype(&BIO_free_all)> to(BIO_new(BIO_s_mem()), BIO_free_all);
        PEM_write_bio_X509(to.get(), get());
        char* at = nullptr;
        const long size = BIO_get_mem_data(to.get(), &at);
        return {at, static_cast<std::size_t>(size)};
    }
    // One line of base64, as App Service forwards it.
    std::string base64() const {
        std::string out;
        const std::string all = pem();
        for (std::size_t at = all.find('\n') + 1; !all.substr(at).starts_with("-----"); at = all.find('\n', at) + 1)
            out += all.substr(at, all.find('\n', at) - at);
        return out;
    }
    core::certificate_digest fingerprint() const {
        core::certificate_digest out{};
        const std::string bytes = der();
        EVP_Digest(bytes.data(), bytes.size(), out.data(), nullptr, EVP_sha256(), nullptr);
        return out;
    }

private:
    void add(int nid, const std::string& value) {
        X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
        X509_add_ext(certificate_.get(), e, -1);
        X509_EXTENSION_free(e);
    }
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
    std::unique_ptr<X509, decltype(&X509_free)> certificate_;
};

}  // namespace spillway::identity
