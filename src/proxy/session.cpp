#include "session.hpp"

#include <openssl/ssl.h>

#include "exchange.hpp"

namespace spillway::proxy {

session::session(worker& w, const std::shared_ptr<const listener>& from, int fd, const net::address& peer)
    : worker_(w), listener_(from), peer_(peer), client_(w.loop()), in_(w.slabs()) {
    client_.open(fd);
    client_.events().on_idle = &session::on_client_event;
    client_.events().idle_context = this;
}

session::~session() = default;

void session::on_client_event(net::watch& w) noexcept {
    // Bytes of a next request wait for their turn; a hang-up ends what is going on.
    auto* self = static_cast<session*>(w.idle_context);
    if (w.hung_up && self->in_exchange_) self->left_.fire();
}

void session::drain() noexcept {
    draining_ = true;
    if (!in_exchange_) left_.fire();
}

void session::cut() noexcept {
    draining_ = true;
    left_.fire();
}

net::task<> session::run() {
    if (listener_->tls && !co_await shake_hands()) co_return;
    net::turn turn;
    for (;;) {
        const bool waits = in_.empty() && !client_.buffered() && !client_.events().readable;
        if (!co_await await_request()) break;
        if (waits) turn.renew();
        // Pipelined requests are a turn of the loop together: a flood of them must not keep others waiting.
        if (turn.spent()) {
            const net::wake w = co_await net::yield(worker_.loop(), &left_);
            if (w == net::wake::interrupted) break;
            turn.renew();
        }
        follow_configuration();
        in_exchange_ = true;
        exchange e(*this);
        const bool again = co_await e.run();
        in_exchange_ = false;
        if (client_.flooded()) worker_.stats().limits.at({worker_.label("tls_control")}).add();
        if (!again && client_.is_open() && !left_.fired()) {
            co_await client_.close_lingering(worker_.now() + seconds(1));
            co_return;
        }
        if (!again || draining_ || left_.fired()) break;
    }
    client_.close(true);
}

// Each request is judged by the listener as it is configured now, however long its connection has been open. The
// worker has ended connections of listeners that are gone.
void session::follow_configuration() {
    const auto& now = *worker_.current()->shared;
    if (now.generation == generation_) return;
    generation_ = now.generation;
    if (auto found = now.find_listener(listener_->name)) listener_ = std::move(found);
}

net::task<bool> session::shake_hands() {
    auto& stats = worker_.stats();
    const time_point until = worker_.now() + listener_->from->limits.head_timeout;
    struct under_way {
        session& s;
        explicit under_way(session& of) : s(of) { s.worker_.begin_handshake(s); }
        under_way(const under_way&) = delete;
        under_way& operator=(const under_way&) = delete;
        ~under_way() { s.worker_.end_handshake(s); }
    } const listed(*this);
    net::io_result r = co_await client_.await_first_byte(until, &left_);
    SSL* ssl = nullptr;
    if (r.ok()) {
        ssl = SSL_new(listener_->tls.get());
        if (ssl != nullptr) {
            SSL_set_accept_state(ssl);
            client_.start_tls(ssl);
            r = co_await client_.handshake(until, &left_);
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

const core::certificate_claims* session::certificate() {
    if (certificate_read_ || !listener_->asks_certificates || client_.ssl() == nullptr) return certificate_.get();
    certificate_read_ = true;
    X509* shown = SSL_get0_peer_certificate(client_.ssl());
    // A handshake with a certificate that no authority of ours signs has failed already; this looks all the same.
    const bool vouched = SSL_get_verify_result(client_.ssl()) == X509_V_OK;
    if (shown != nullptr && vouched)
        certificate_ = std::make_unique<core::certificate_claims>(identity::read_certificate(shown, true));
    return certificate_.get();
}

// Waits without a buffer until the next request begins to arrive. False: there will be none.
net::task<bool> session::await_request() {
    if (!in_.empty()) co_return true;
    in_.reset();
    if (client_.buffered()) co_return true;
    const net::wake w =
        co_await client_.events().wait_readable(worker_.now() + listener_->from->limits.idle_timeout, &left_);
    co_return w == net::wake::ready && !left_.fired();
}

}  // namespace spillway::proxy
