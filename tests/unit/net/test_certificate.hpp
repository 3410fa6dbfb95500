#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

// A self-signed certificate for localhost in a temporary directory, gone with the object.
class test_certificate {
public:
    test_certificate() {
        char name[] = "/tmp/spillway-test-XXXXXX";
        dir_ = ::mkdtemp(name);
        const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
        const std::unique_ptr<X509, decltype(&X509_free)> cert(X509_new(), X509_free);
        X509_set_version(cert.get(), 2);
        ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1);
        X509_gmtime_adj(X509_getm_notBefore(cert.get()), -3600);
        X509_gmtime_adj(X509_getm_notAfter(cert.get()), 86400);
        X509_set_pubkey(cert.get(), key.get());
        X509_NAME* subject = X509_get_subject_name(cert.get());
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"),
                                   -1, -1, 0);
        X509_set_issuer_name(cert.get(), subject);
        add(cert.get(), NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
        add(cert.get(), NID_basic_constraints, "critical,CA:TRUE");
        X509_sign(cert.get(), key.get(), EVP_sha256());
        std::FILE* f = std::fopen(cert_file().c_str(), "w");
        PEM_write_X509(f, cert.get());
        std::fclose(f);
        f = std::fopen(key_file().c_str(), "w");
        PEM_write_PrivateKey(f, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
        std::fclose(f);
    }
    test_certificate(const test_certificate&) = delete;
    test_certificate& operator=(const test_certificate&) = delete;
    ~test_certificate() { std::filesystem::remove_all(dir_); }

    std::string cert_file() const { return dir_ + "/cert.pem"; }
    std::string key_file() const { return dir_ + "/key.pem"; }
    std::string ca_file() const { return cert_file(); }

private:
    static void add(X509* cert, int nid, const char* value) {
        X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
        X509_add_ext(cert, e, -1);
        X509_EXTENSION_free(e);
    }
    std::string dir_;
};
