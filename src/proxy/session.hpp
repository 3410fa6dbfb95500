#pragma once

#include <spillway/net/task.hpp>
#include <spillway/proxy/handshake_list.hpp>

#include "connection.hpp"

namespace spillway::proxy {

// One client connection's life: TLS handshake, then one exchange after the other.
//
// While an exchange runs, the session watches whether its client is still there: no coroutine reads from it then,
// so every report on its descriptor comes to on_client_event().
class session {
public:
    session(worker_tools& on, handshake_list& shaking, const std::shared_ptr<const listener>& from, int fd,
            const net::address& peer);
    session(const session&) = delete;
    session& operator=(const session&) = delete;
    ~session();

    net::task<> run();

    // Ends the session if it is between two requests, else asks it to end after the present one.
    void drain() noexcept;
    // Ends it now, whatever it does.
    void cut() noexcept;

    const listener& from() const noexcept { return connection_.from(); }

private:
    friend class worker;
    net::task<bool> shake_hands();
    net::task<> serve();
    net::task<bool> await_request();
    static void on_client_event(net::watch& w) noexcept;

    worker_tools& worker_;
    handshake_list& shaking_;
    connection connection_;
    bool in_exchange_{false};
    session* next_{nullptr};  // the worker's list of its sessions
    session* previous_{nullptr};
    session* later_handshake_{nullptr};  // the worker's list of those that are shaking hands, oldest first
    session* earlier_handshake_{nullptr};
};

}  // namespace spillway::proxy
