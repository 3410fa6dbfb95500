#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include <spillway/base/fault.hpp>

namespace spillway::net {

struct ssl_ctx_free {
    void operator()(SSL_CTX* p) const noexcept { SSL_CTX_free(p); }
};
using ssl_ctx_ptr = std::shared_ptr<SSL_CTX>;

struct server_tls {
    std::string certificate;  // PEM file, the chain in order
    std::string key;          // PEM file
    bool tls13_only{false};
    std::string client_ca;  // PEM file; empty: clients are not asked for a certificate
    bool client_certificate_required{false};
};

// A context that accepts TLS 1.2 and 1.3 with ALPN http/1.1 and stateless session tickets (keys live as long as the
// context). Reads files: not for an event loop. The fault names the file and what is wrong with it.
result<ssl_ctx_ptr> make_server_context(const server_tls& from);

// A context for connections to instances: verifies the peer against `ca_file`, or against the system's authorities
// when it is empty. Name checks and SNI are set for each connection.
result<ssl_ctx_ptr> make_client_context(const std::string& ca_file);

// Works out what OpenSSL derives from each certificate of `store` and keeps inside it (purpose, key ids) before
// another thread sees the store: no worker's first handshake takes the certificate's write lock for it.
void settle_certificates(X509_STORE* store) noexcept;

// The last OpenSSL error of this thread in words; empties the queue.
std::string tls_error_text();

}  // namespace spillway::net
