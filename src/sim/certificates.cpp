#include "certificates.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include <spillway/base/freed.hpp>

namespace spillway::sim {
namespace {

using key_ptr = owned<EVP_PKEY, EVP_PKEY_free>;
using cert_ptr = owned<X509, X509_free>;

fault failed(std::string message) {
    return {.code = "SimulatorCertificates", .who = origin::gateway, .message = std::move(message)};
}

bool add(X509* cert, X509* issuer, int nid, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
    X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    if (e == nullptr) return false;
    const bool added = X509_add_ext(cert, e, -1) == 1;
    X509_EXTENSION_free(e);
    return added;
}

cert_ptr blank(EVP_PKEY* key, const char* name) {
    constexpr long hour = 3600, year = 365 * 24 * hour;
    cert_ptr cert(X509_new());
    if (!cert) return nullptr;
    std::uint64_t serial = 0;
    RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
    X509_set_version(cert.get(), X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert.get()), serial >> 1 | 1);
    X509_gmtime_adj(X509_getm_notBefore(cert.get()), -hour);
    X509_gmtime_adj(X509_getm_notAfter(cert.get()), 2 * year);
    X509_set_pubkey(cert.get(), key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    return cert;
}

bool sign_authority(X509* ca, EVP_PKEY* key) {
    X509_set_issuer_name(ca, X509_get_subject_name(ca));
    return add(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           add(ca, ca, NID_subject_key_identifier, "hash") && X509_sign(ca, key, EVP_sha256()) != 0;
}

bool sign_server(X509* server, X509* ca, EVP_PKEY* ca_key) {
    X509_set_issuer_name(server, X509_get_subject_name(ca));
    return add(server, ca, NID_basic_constraints, "critical,CA:FALSE") &&
           add(server, ca, NID_key_usage, "critical,digitalSignature") &&
           add(server, ca, NID_ext_key_usage, "serverAuth") &&
           add(server, ca, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
           add(server, ca, NID_subject_key_identifier, "hash") &&
           add(server, ca, NID_authority_key_identifier, "keyid") && X509_sign(server, ca_key, EVP_sha256()) != 0;
}

// Written beside its place and renamed, so that a second process never reads half a file.
template <class Write>
bool write_file(const std::string& path, mode_t mode, Write&& write) {
    const std::string draft = path + "." + std::to_string(::getpid());
    const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) return false;
    std::FILE* f = ::fdopen(fd, "w");
    if (f == nullptr) {
        ::close(fd);
        return false;
    }
    const bool written = write(f) == 1;
    const bool closed = std::fclose(f) == 0;
    return written && closed && ::rename(draft.c_str(), path.c_str()) == 0;
}

}  // namespace

result<certificate_files> ensure_certificates(const std::string& directory) {
    const certificate_files files{directory + "/ca.pem", directory + "/server.pem", directory + "/server.key"};
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) return failed("cannot make the directory " + directory + ": " + error.message());
    if (std::filesystem::exists(files.ca) && std::filesystem::exists(files.certificate) &&
        std::filesystem::exists(files.key))
        return files;

    const key_ptr ca_key(EVP_EC_gen("P-256")), server_key(EVP_EC_gen("P-256"));
    if (!ca_key || !server_key) return failed("cannot make a key");
    const cert_ptr ca = blank(ca_key.get(), "Spillway simulator authority");
    const cert_ptr server = blank(server_key.get(), "localhost");
    if (!ca || !server || !sign_authority(ca.get(), ca_key.get()) ||
        !sign_server(server.get(), ca.get(), ca_key.get()))
        return failed("cannot make a certificate");

    const bool written =
        write_file(files.key, 0600,
                   [&](std::FILE* f) {
                       return PEM_write_PrivateKey(f, server_key.get(), nullptr, nullptr, 0, nullptr, nullptr);
                   }) &&
        write_file(files.certificate, 0644, [&](std::FILE* f) { return PEM_write_X509(f, server.get()); }) &&
        write_file(files.ca, 0644, [&](std::FILE* f) { return PEM_write_X509(f, ca.get()); });
    if (!written) return failed("cannot write certificates into " + directory + ": " + std::strerror(errno));
    return files;
}

}  // namespace spillway::sim
