#include "session.hpp"

#include <openssl/ssl.h>

#include "exchange.hpp"

namespace spillway::proxy {

session::session(worker_tools& on, handshake_list& shaking, const std::shared_ptr<const listener>& from, int fd,
                 const net::address& peer)
    : worker_(on), shaking_(shaking), connection_(on, from, fd, peer) {
    auto& events = connection_.client().events();
    events.on_idle = &session::on_client_event;
    events.idle_context = this;
}

session::~session() = default;

void session::on_client_event(net::watch& w) noexcept {
    // Bytes of a next request wait for their turn; a hang-up ends what is going on.
    auto* self = static_cast<session*>(w.idle_context);
    if (w.hung_up && self->in_exchange_) self->connection_.left().fire();
}

void session::drain() noexcept {
    connection_.drain();
    if (!in_exchange_) connection_.left().fire();
}

void session::cut() noexcept {
    connection_.drain();
    connection_.left().fire();
}

net::task<> session::run() {
    if (connection_.from().tls) {
        // By a name: of `tls && !co_await` with another co_await behind it GCC 12 made code that never went on.
        const bool shaken = co_await shake_hands();
        if (!shaken) co_return;
    }
    co_await serve();
}

// A coroutine of its own, for its frame has room for an exchange: who only shakes hands does not hold that.
net::task<> session::serve() {
    net::turn turn;
    for (;;) {
        const bool waits = connection_.input().empty() && !connection_.client().buffered() &&
                           !connection_.client().events().readable;
        if (!co_await await_request()) break;
        if (waits) turn.renew();
        // Pipelined requests are a turn of the loop together: a flood of them must not keep others waiting.
        if (turn.spent()) {
            const net::wake w = co_await net::yield(worker_.loop(), &connection_.left());
            if (w == net::wake::interrupted) break;
            turn.renew();
        }
        connection_.follow_configuration();
        in_exchange_ = true;
        exchange e(connection_);
        const bool again = co_await e.run();
        in_exchange_ = false;
        if (connection_.client().flooded()) worker_.stats().limits.at({worker_.label("tls_control")}).add();
        if (!again && connection_.client().is_open() && !connection_.left().fired()) {
            co_await connection_.client().close_lingering(worker_.now() + seconds(1));
            co_return;
        }
        if (!again || connection_.draining() || connection_.left().fired()) break;
    }
    connection_.client().close(true);
}

net::task<bool> session::shake_hands() {
    auto& stats = worker_.stats();
    const time_point until = worker_.now() + connection_.from().from->limits.head_timeout;
    struct under_way {
        session& s;
        explicit under_way(session& of) : s(of) { s.shaking_.begin_handshake(s); }
        under_way(const under_way&) = delete;
        under_way& operator=(const under_way&) = delete;
        ~under_way() { s.shaking_.end_handshake(s); }
    } const listed(*this);
    net::io_result r = co_await connection_.client().await_first_byte(until, &connection_.left());
    SSL* ssl = nullptr;
    if (r.ok()) {
        ssl = SSL_new(connection_.from().tls.get());
        if (ssl != nullptr) {
            SSL_set_accept_state(ssl);
            connection_.client().start_tls(ssl);
            r = co_await connection_.client().handshake(until, &connection_.left());
        }
    }
    if (ssl == nullptr || !r.ok()) {
        stats.tls_failures.add();
        co_return false;
    }
    stats.tls_handshakes.add();
    if (SSL_session_reused(ssl) != 0) stats.tls_resumed.add();
    co_return true;
}

// Waits without a buffer until the next request begins to arrive. False: there will be none.
net::task<bool> session::await_request() {
    if (!connection_.input().empty()) co_return true;
    connection_.input().reset();
    if (connection_.client().buffered()) co_return true;
    const net::wake w = co_await connection_.client().events().wait_readable(
        worker_.now() + connection_.from().from->limits.idle_timeout, &connection_.left());
    co_return w == net::wake::ready && !connection_.left().fired();
}

}  // namespace spillway::proxy
