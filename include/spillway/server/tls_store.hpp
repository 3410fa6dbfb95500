#pragma once

#include <map>
#include <string>

#include <spillway/config/tree.hpp>
#include <spillway/net/tls_context.hpp>

namespace spillway::server {

// What decides whether a client comes through the listener's handshake, the authorities of its certificate included.
// The listener's own certificate is not part of it: that one may be renewed at any time.
std::string tls_terms(const config::listener_tls& from);

// TLS contexts by the contents of their files: a reload that changed nothing keeps the very same context, and with it
// session tickets, warm connections and resumption. Main thread only.
class tls_store {
public:
    result<net::ssl_ctx_ptr> for_listener(const net::server_tls& from);
    result<net::ssl_ctx_ptr> for_instances(const std::string& ca_file);
    // What the same files made when they last could be used; null: never.
    net::ssl_ctx_ptr last_for_listener(const net::server_tls& from) { return kept_[key_of(from)].context; }
    net::ssl_ctx_ptr last_for_instances(const std::string& ca_file) { return kept_[key_of(ca_file)].context; }

private:
    static std::string key_of(const net::server_tls& from);
    static std::string key_of(const std::string& ca_file) { return "instances:" + ca_file; }

    struct entry {
        std::string contents;  // digest of what the files held
        net::ssl_ctx_ptr context;
    };
    std::map<std::string, entry> kept_;
};

}  // namespace spillway::server
