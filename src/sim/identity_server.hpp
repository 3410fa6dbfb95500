#pragma once

#include <memory>
#include <string>

#include <spillway/net/acceptor.hpp>
#include <spillway/net/tls_context.hpp>

#include "identity_provider.hpp"
#include "simulation.hpp"

namespace spillway::sim {

// One address where the identity part answers.
class identity_server {
public:
    // `tls` may be null.
    identity_server(simulation& all, identity_provider& at, net::ssl_ctx_ptr tls)
        : all_(all), at_(at), tls_(std::move(tls)) {}
    // Returns the address that it is bound to.
    result<net::address> open(const std::string& address);

private:
    net::task<> serve(int fd);
    net::task<bool> serve_one(net::stream& io, request_reader& reader, net::interrupt& gone);

    simulation& all_;
    identity_provider& at_;
    net::ssl_ctx_ptr tls_;
    std::unique_ptr<net::acceptor> accepting_;
};

}  // namespace spillway::sim
