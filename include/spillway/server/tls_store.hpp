#pragma once

#include <map>
#include <string>

#include <spillway/net/tls_context.hpp>

namespace spillway::server {

// TLS contexts by the contents of their files: a reload that changed nothing keeps the very same context, and with it
// session tickets, warm connections and resumption. Main thread only.
class tls_store {
public:
    result<net::ssl_ctx_ptr> for_listener(const net::server_tls& from);
    result<net::ssl_ctx_ptr> for_instances(const std::string& ca_file);

private:
    struct entry {
        std::string contents;  // digest of what the files held
        net::ssl_ctx_ptr context;
    };
    std::map<std::string, entry> kept_;
};

}  // namespace spillway::server
