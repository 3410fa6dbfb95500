#include <spillway/net/upstream.hpp>

#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

#include <spillway/net/peer_name.hpp>

#include "proxy_tunnel.hpp"
#include "tls_session.hpp"

namespace spillway::net {
namespace {

int ssl_owner_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

struct addresses_awaiter {
    waiter w;
    std::vector<waiter*>& queue;
    time_point deadline;
    interrupt* by;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) {
        queue.push_back(&w);
        w.suspend(h, deadline, by);
    }
    wake await_resume() noexcept {
        std::erase(queue, &w);
        return w.result();
    }
};

connect_error error_of(io_status s, connect_error otherwise) {
    if (s == io_status::timed_out) return connect_error::timed_out;
    return s == io_status::interrupted ? connect_error::interrupted : otherwise;
}

// Whether this machine refuses, not the peer. EAGAIN is what connect() says when its routing cache is full.
connect_error error_of(int code) noexcept {
    switch (code) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
        case ENOSPC:
        case EADDRNOTAVAIL:
        case EAGAIN: return connect_error::local;
        default: return connect_error::connect;
    }
}

}  // namespace

upstream::upstream(loop& l, endpoint to, upstream_limits limits) : loop_(l), to_(std::move(to)), limits_(limits) {}

upstream::~upstream() {
    close_idle();
    if (session_ != nullptr) SSL_SESSION_free(session_);
}

void upstream::set_addresses(address_list found) {
    for (auto& a : found) a.set_port(to_.dial_port());
    addresses_ = std::move(found);
    const auto waiting = std::exchange(waiting_for_addresses_, {});
    for (auto* w : waiting) w->complete(wake::ready);
}

int keep_client_session(SSL* ssl, SSL_SESSION* session) {
    auto* owner = static_cast<upstream*>(SSL_get_ex_data(ssl, ssl_owner_index()));
    if (owner == nullptr) return 0;
    owner->keep_session(session);
    return 1;  // the reference is the owner's now
}

void upstream::keep_session(SSL_SESSION* session) noexcept {
    if (session_ != nullptr) SSL_SESSION_free(session_);
    session_ = session;
}

std::unique_ptr<upstream_connection> upstream::take_idle() noexcept {
    while (!idle_.empty()) {
        auto c = std::move(idle_.back());
        idle_.pop_back();
        counters_.idle = idle_.size();
        c->io.events().on_idle = nullptr;
        c->idle_timer_.~timer();
        new (&c->idle_timer_) timer(&upstream_connection::on_idle_due, c.get());
        if (loop_.now() - c->born_ > limits_.max_age || c->io.events().hung_up) {
            ++counters_.closed_idle;
            c->io.close(true);
            continue;
        }
        ++c->uses_;
        ++counters_.reused;
        return c;
    }
    return nullptr;
}

void upstream::release(std::unique_ptr<upstream_connection> c, bool reusable) noexcept {
    watch& w = c->io.events();
    if (!reusable || !c->io.is_open() || w.hung_up || idle_.size() >= limits_.max_idle ||
        loop_.now() - c->born_ > limits_.max_age) {
        c->io.close(true);
        return;
    }
    w.on_idle = &upstream_connection::on_idle_event;
    w.idle_context = c.get();
    loop_.wheel().schedule(c->idle_timer_, loop_.now() + limits_.idle_timeout);
    idle_.push_back(std::move(c));
    counters_.idle = idle_.size();
}

void upstream::close_idle() noexcept {
    for (auto& c : idle_) c->io.close(true);
    idle_.clear();
    counters_.idle = 0;
}

void upstream::drop(upstream_connection& c) noexcept {
    const auto at = std::find_if(idle_.begin(), idle_.end(), [&](const auto& p) { return p.get() == &c; });
    if (at == idle_.end()) return;
    (*at)->io.close(true);
    idle_.erase(at);
    ++counters_.closed_idle;
    counters_.idle = idle_.size();
}

void upstream_connection::on_idle_due(void* self) noexcept {
    auto* c = static_cast<upstream_connection*>(self);
    c->owner_.drop(*c);
}

void upstream_connection::on_idle_event(watch& w) noexcept {
    auto* c = static_cast<upstream_connection*>(w.idle_context);
    // TLS 1.3 tickets may come late and are no data; anything else on an idle connection is its end, bytes above all:
    // they would become the head of the next answer.
    // A close without close_notify must not be read as such: that would spoil the session for resumption.
    if (w.hung_up) {
        c->owner_.drop(*c);
        return;
    }
    char byte[64];
    const io_result r = c->io.try_read(byte);
    if (r.waits()) return;
    if (r.ok()) ++c->owner_.counters_.unexpected_bytes;
    c->owner_.drop(*c);
}

task<connect_result> upstream::acquire(bool fresh, duration connect_timeout, interrupt* by) {
    if (!fresh) {
        if (auto c = take_idle()) co_return connect_result{std::move(c), connect_error::none, {}};
    }
    co_return co_await open(connect_timeout, by);
}

task<connect_result> upstream::open(duration connect_timeout, interrupt* by) {
    connect_result out;
    const time_point deadline = loop_.now() + connect_timeout;
    if (!addresses_) {
        addresses_awaiter wait{waiter(loop_), waiting_for_addresses_, deadline, by};
        const wake w = co_await wait;
        if (w == wake::interrupted) out.error = connect_error::interrupted;
    }
    if (out.error == connect_error::none && (!addresses_ || addresses_->empty())) {
        out.error = connect_error::dns;
        out.detail = (to_.proxy ? "proxy " : "") + to_.dial_host() + " does not resolve";
    }
    if (out.error != connect_error::none) {
        ++counters_.failed;
        co_return out;
    }
    auto c = std::make_unique<upstream_connection>(loop_, *this);
    // The address that worked last is tried first; each further one gets its share of the time.
    const address_list tries = *addresses_;
    const std::size_t first = next_address_ % tries.size();
    for (std::size_t i = 0; i < tries.size(); ++i) {
        const std::size_t at = (first + i) % tries.size();
        const auto left = deadline - clock::now();
        if (left <= duration::zero()) break;
        const time_point until = clock::now() + left / static_cast<long>(tries.size() - i);
        out.detail.clear();
        out.error = co_await open_one(*c, tries[at], until, by, out.detail);
        if (out.error == connect_error::none) {
            next_address_ = at;
            c->born_ = loop_.now();
            c->uses_ = 1;
            ++counters_.opened;
            out.connection = std::move(c);
            co_return out;
        }
        c->io.close();
        if (out.error == connect_error::interrupted || out.error == connect_error::local) break;
    }
    if (out.error == connect_error::none) out.error = connect_error::timed_out;
    ++counters_.failed;
    co_return out;
}

task<connect_error> upstream::open_one(upstream_connection& c, const address& a, time_point deadline, interrupt* by,
                                       std::string& detail) {
    const int fd = ::socket(a.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        const int code = errno;
        detail = std::string("socket: ") + std::strerror(code);
        co_return error_of(code);
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    const int failed = ::connect(fd, a.data(), a.size()) == 0 ? 0 : errno;
    try {
        c.io.open(fd);
    } catch (const std::system_error& e) {  // the loop has no room for another descriptor
        detail = e.what();
        co_return error_of(e.code().value());
    }
    if (failed == EINPROGRESS) {
        c.io.events().writable = false;
        const io_result r = co_await c.io.wait_for(io_status::would_write, deadline, by);
        if (!r.ok()) {
            detail = (to_.proxy ? "proxy " : "") + a.to_string() + ": no answer in time";
            co_return error_of(r.status, connect_error::connect);
        }
    }
    int error = failed == EINPROGRESS ? 0 : failed;
    socklen_t size = sizeof error;
    if (error == 0) ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        detail = (to_.proxy ? "proxy " : "") + a.to_string() + ": " + std::strerror(error);
        co_return error_of(error);
    }
    if (to_.proxy) {
        const auto refused = co_await open_tunnel(c.io, to_, deadline, by, detail);
        if (refused != connect_error::none) co_return refused;
    }
    if (to_.tls) co_return co_await start_tls(c, deadline, by, detail);
    co_return connect_error::none;
}

task<connect_error> upstream::start_tls(upstream_connection& c, time_point deadline, interrupt* by,
                                        std::string& detail) {
    SSL* ssl = SSL_new(to_.tls.get());
    if (ssl == nullptr) throw std::bad_alloc();
    const std::string& name = to_.tls_name.empty() ? to_.host : to_.tls_name;
    SSL_set_connect_state(ssl);
    if (!expect_peer(ssl, name)) {
        SSL_free(ssl);
        throw std::bad_alloc();
    }
    SSL_set_ex_data(ssl, ssl_owner_index(), this);
    if (session_ != nullptr) SSL_set_session(ssl, session_);
    c.io.start_tls(ssl);
    const io_result r = co_await c.io.handshake(deadline, by);
    if (r.ok()) {
        if (SSL_session_reused(ssl) != 0) ++counters_.resumed;
        co_return connect_error::none;
    }
    // A session that the server does not like any more must not break the next attempt, too.
    if (session_ != nullptr) {
        SSL_SESSION_free(session_);
        session_ = nullptr;
    }
    detail = name + ": TLS handshake failed" + (c.io.failure().empty() ? "" : ": " + c.io.failure());
    co_return error_of(r.status, connect_error::tls);
}

}  // namespace spillway::net
