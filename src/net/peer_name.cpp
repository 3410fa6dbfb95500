#include <spillway/net/peer_name.hpp>

#include <arpa/inet.h>

namespace spillway::net {
namespace {

bool is_ip(const std::string& host) noexcept {
    unsigned char ignored[16];
    return ::inet_pton(AF_INET, host.c_str(), ignored) == 1 || ::inet_pton(AF_INET6, host.c_str(), ignored) == 1;
}

}  // namespace

bool expect_peer(SSL* ssl, const std::string& name) noexcept {
    if (is_ip(name)) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1;
    return SSL_set_tlsext_host_name(ssl, name.c_str()) == 1 && SSL_set1_host(ssl, name.c_str()) == 1;
}

}  // namespace spillway::net
