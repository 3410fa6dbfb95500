#pragma once

#include <openssl/ssl.h>

namespace spillway::net {

// OpenSSL's "new session" callback of client contexts: hands the session to the upstream that the connection belongs
// to.
int keep_client_session(SSL* ssl, SSL_SESSION* session);

}  // namespace spillway::net
