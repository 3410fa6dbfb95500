#include "../../../src/sim/certificates.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include <spillway/net/tls_context.hpp>

using namespace spillway;

namespace {

class directory {
public:
    directory() {
        char name[] = "/tmp/spillway-test-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~directory() { std::filesystem::remove_all(path); }
    std::string path;
};

using certificate = std::unique_ptr<X509, decltype(&X509_free)>;
certificate read(const std::string& file) {
    std::FILE* f = std::fopen(file.c_str(), "r");
    certificate c(PEM_read_X509(f, nullptr, nullptr, nullptr), X509_free);
    std::fclose(f);
    return c;
}

}  // namespace

TEST(certificates, the_server_is_localhost_and_signed_by_the_authority) {
    const directory dir;
    const auto files = sim::ensure_certificates(dir.path + "/new");
    ASSERT_TRUE(files) << files.error().message;
    const auto ca = read(files->ca), server = read(files->certificate);
    ASSERT_TRUE(ca && server);
    EXPECT_EQ(X509_verify(server.get(), X509_get0_pubkey(ca.get())), 1);
    EXPECT_EQ(X509_check_host(server.get(), "localhost", 0, 0, nullptr), 1);
    EXPECT_EQ(X509_check_ip_asc(server.get(), "127.0.0.1", 0), 1);
    EXPECT_EQ(X509_check_host(server.get(), "example.com", 0, 0, nullptr), 0);
    EXPECT_TRUE(net::make_server_context({files->certificate, files->key}));
    EXPECT_TRUE(net::make_client_context(files->ca));
}

TEST(certificates, the_key_is_for_its_owner_alone) {
    const directory dir;
    const auto files = sim::ensure_certificates(dir.path);
    ASSERT_TRUE(files);
    struct stat s {};
    ASSERT_EQ(::stat(files->key.c_str(), &s), 0);
    EXPECT_EQ(s.st_mode & 0777, 0600U);
}

TEST(certificates, what_is_there_is_left_alone) {
    const directory dir;
    const auto first = sim::ensure_certificates(dir.path);
    ASSERT_TRUE(first);
    const auto made = read(first->certificate);
    ASSERT_TRUE(sim::ensure_certificates(dir.path));
    EXPECT_EQ(X509_cmp(made.get(), read(first->certificate).get()), 0);
}
