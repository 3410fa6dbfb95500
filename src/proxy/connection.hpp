#pragma once

#include <memory>

#include <spillway/net/stream.hpp>
#include <spillway/proxy/worker_tools.hpp>

namespace spillway::proxy {

// A client's connection, as the exchanges that run on it see it.
class connection {
public:
    connection(worker_tools& on, const std::shared_ptr<const listener>& from, int fd, const net::address& peer);
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    worker_tools& worker() noexcept { return worker_; }
    const listener& from() const noexcept { return *listener_; }
    const net::address& peer() const noexcept { return peer_; }
    net::stream& client() noexcept { return client_; }
    net::buffer& input() noexcept { return in_; }
    // Fired when the client went away or the connection is cut.
    net::interrupt& left() noexcept { return left_; }
    // The token that the last request brought, verified.
    std::shared_ptr<const known_token>& last_token() noexcept { return last_token_; }
    // What the certificate of the TLS handshake says; null when the client showed none.
    const core::certificate_claims* certificate();

    // The present exchange is the last one.
    void drain() noexcept { draining_ = true; }
    bool draining() const noexcept { return draining_; }
    // Each request is judged by the listener as it is configured now, however long its connection has been open. The
    // worker has ended connections of listeners that are gone.
    void follow_configuration();

private:
    worker_tools& worker_;
    std::shared_ptr<const listener> listener_;  // as of the present request's configuration
    std::uint64_t generation_{0};               // of that configuration
    net::address peer_;
    net::stream client_;
    net::buffer in_;
    net::interrupt left_;
    std::shared_ptr<const known_token> last_token_;
    std::unique_ptr<core::certificate_claims> certificate_;
    bool certificate_read_{false};
    bool draining_{false};
};

}  // namespace spillway::proxy
