#pragma once

#include <memory>

#include <spillway/net/address.hpp>
#include <spillway/net/slab.hpp>
#include <spillway/net/stream.hpp>
#include <spillway/net/task.hpp>
#include <spillway/proxy/token_cache.hpp>
#include <spillway/proxy/worker.hpp>

namespace spillway::proxy {

// One client connection's life: TLS handshake, then one exchange after the other.
//
// While an exchange runs, the session watches whether its client is still there: nobody reads from the client then,
// so every report on its descriptor comes to on_client_event().
class session {
public:
    session(worker& w, const std::shared_ptr<const listener>& from, int fd, const net::address& peer);
    session(const session&) = delete;
    session& operator=(const session&) = delete;
    ~session();

    net::task<> run();

    // Ends the session if it is between two requests, else asks it to end after the present one.
    void drain() noexcept;
    // Ends it now, whatever it does.
    void cut() noexcept;

    worker& owner() noexcept { return worker_; }
    const listener& from() const noexcept { return *listener_; }
    const net::address& peer() const noexcept { return peer_; }
    net::stream& client() noexcept { return client_; }
    net::buffer& input() noexcept { return in_; }
    net::interrupt& left() noexcept { return left_; }
    bool draining() const noexcept { return draining_; }
    // The token that the last request brought, verified.
    std::shared_ptr<const known_token>& last_token() noexcept { return last_token_; }
    // What the certificate of the TLS handshake says; null when the client showed none.
    const core::certificate_claims* certificate();

private:
    friend class worker;
    net::task<bool> shake_hands();
    net::task<bool> await_request();
    void follow_configuration();
    static void on_client_event(net::watch& w) noexcept;

    worker& worker_;
    std::shared_ptr<const listener> listener_;  // as of the present request's configuration
    std::uint64_t generation_{0};               // of that configuration
    net::address peer_;
    net::stream client_;
    net::buffer in_;
    net::interrupt left_;  // fired when the client went away or the session is cut
    std::shared_ptr<const known_token> last_token_;
    std::unique_ptr<core::certificate_claims> certificate_;
    bool certificate_read_{false};
    bool in_exchange_{false};
    bool draining_{false};
    session* next_{nullptr};  // the worker's list of its sessions
    session* previous_{nullptr};
    session* later_handshake_{nullptr};  // the worker's list of those that are shaking hands, oldest first
    session* earlier_handshake_{nullptr};
};

}  // namespace spillway::proxy
