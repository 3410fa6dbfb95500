#pragma once

#include <openssl/ssl.h>

#include <string>

namespace spillway::net {

// The peer's certificate has to be for `name`, a host or an address; a host is sent along as SNI (an address never
// is, RFC 6066). False: there is no memory for it, and the connection must not be used.
bool expect_peer(SSL* ssl, const std::string& name) noexcept;

}  // namespace spillway::net
