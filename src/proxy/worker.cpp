#include <spillway/proxy/worker.hpp>

#include <unistd.h>

#include <algorithm>

#include "session.hpp"

namespace spillway::proxy {

worker::worker(unsigned index, std::uint64_t seed, process_state& process, stats::worker_stats& stats,
               stats::label_table& labels, log_buffer::sink log)
    : tools_(index, seed, process, stats, labels, std::move(log)),
      housekeeping_(
          [](void* self) noexcept {
              auto* w = static_cast<worker*>(self);
              w->publish_upstream_counters();
              w->tools_.begin_second();
              w->loop().wheel().schedule(w->housekeeping_, w->tools_.now() + seconds(1));
          },
          this) {
    loop().wheel().schedule(housekeeping_, tools_.now() + seconds(1));
    tools_.probe_by([this](const std::shared_ptr<worker_snapshot>& by, std::size_t pool, std::size_t backend) {
        prober_.ask(by, pool, backend);
    });
}

worker::~worker() = default;

void worker::adopt(std::shared_ptr<const snapshot> next) {
    auto mine = std::make_shared<worker_snapshot>();
    mine->shared = next;
    for (const auto& i : next->instances) {
        std::shared_ptr<net::upstream> found;
        if (tools_.current()) {
            const auto& before = tools_.current()->shared->instances;
            for (std::size_t k = 0; k < before.size(); ++k)
                if (before[k].identity == i.identity && tools_.current()->upstreams[k]->target() == i.to)
                    found = tools_.current()->upstreams[k];
        }
        if (found) {
            found->set_limits(i.connections);
        } else {
            found = std::make_shared<net::upstream>(loop(), i.to, i.connections);
            if (const auto known = addresses_.find(i.to.dial_host()); known != addresses_.end())
                found->set_addresses(known->second);
        }
        mine->upstreams.push_back(std::move(found));
    }
    mine->bearers.resize(next->instances.size());
    for (const auto& p : next->pools) mine->balancers.push_back(core::make_balancer_state(p.plan));
    if (tools_.current())
        for (const auto& u : tools_.current()->upstreams)
            if (std::find(mine->upstreams.begin(), mine->upstreams.end(), u) == mine->upstreams.end()) {
                u->close_idle();
                const auto& c = u->counters();
                retired_.opened += c.opened;
                retired_.reused += c.reused;
                retired_.resumed += c.resumed;
                retired_.failed += c.failed;
                retired_.unexpected_bytes += c.unexpected_bytes;
            }
    tools_.serve_by(std::move(mine));
    end_outdated_sessions();
}

// A listener that is gone, or that would not let the same clients through a handshake: idle connections end now, busy
// ones after their exchange, and clients still allowed connect anew.
void worker::end_outdated_sessions() {
    // drain() may end a session on the spot and take it off the list.
    for (session* s = sessions_; s != nullptr;) {
        session* next = s->next_;
        const auto now = tools_.current()->shared->find_listener(s->from().name);
        if (!now || now->tls_terms != s->from().tls_terms) s->drain();
        s = next;
    }
}

void worker::set_addresses(const std::string& host, const net::address_list& found) {
    addresses_[host] = found;
    if (!tools_.current()) return;
    for (const auto& u : tools_.current()->upstreams)
        if (u->target().dial_host() == host) u->set_addresses(found);
}

void worker::accept_on(const std::string& listener_name, const std::string& key, int listening_fd) {
    acceptors_.push_back({key, std::make_unique<net::acceptor>(
                                   loop(), listening_fd, [this, listener_name](int fd, const net::address& peer) {
                                       on_accepted(listener_name, fd, peer);
                                   })});
}

void worker::stop_accepting(const std::string& key) {
    std::erase_if(acceptors_, [&](const accepting& a) { return a.key == key; });
}

void worker::on_accepted(const std::string& listener_name, int fd, const net::address& peer) {
    const auto at = tools_.current()->shared->find_listener(listener_name);
    if (!at) {
        ::close(fd);
        return;
    }
    tools_.stats().connections_accepted.add();
    const auto in = count(*at, peer);
    if (!in) {
        // Closed at once: a handshake for a connection that cannot be served would only cost more.
        ::close(fd);
        return;
    }
    if (at->from->accept == config::accept_mode::least_sessions) {
        // The kernel's hash does not balance long-lived connections; this goes to a worker with clearly fewer.
        worker* least = this;
        for (const auto& p : peers_)
            if (p->sessions() + 1 < least->sessions()) least = p.get();
        if (least != this) {
            least->post([least, from = at, fd, peer, c = *in] { least->take_connection(from, fd, peer, c); });
            return;
        }
    }
    take_connection(at, fd, peer, *in);
}

std::optional<worker::counted> worker::count(const listener& at, const net::address& peer) {
    std::size_t everywhere = 0;
    for (const auto& p : peers_) everywhere += p->sessions();
    if (at.open->load(std::memory_order_relaxed) >= at.from->limits.connections ||
        everywhere >= tools_.process().most_sessions) {
        tools_.stats().connections_refused.add();
        return std::nullopt;
    }
    counted out{at.open, nullptr, address_counts::uncounted};
    const auto speaks_for_many = [&](const net::network& n) { return n.contains(peer); };
    if (at.by_address && std::none_of(at.trusted_proxies.begin(), at.trusted_proxies.end(), speaks_for_many)) {
        const auto place = at.by_address->enter(peer, at.from->limits.connections_per_address);
        if (!place) {
            tools_.stats().connections_refused_by_address.add();
            return std::nullopt;
        }
        out.by_address = at.by_address;
        out.place = *place;
    }
    at.open->fetch_add(1, std::memory_order_relaxed);
    return out;
}

void worker::take_connection(const std::shared_ptr<const listener>& from, int fd, const net::address& peer,
                             const counted& in) {
    // Another worker may have accepted it under the configuration before.
    const auto now = tools_.current()->shared->find_listener(from->name);
    if (!now || now->tls_terms != from->tls_terms) {
        in.end();
        ::close(fd);
        return;
    }
    auto* s = new session(tools_, *this, now, fd, peer);
    link(*s);
    net::spawn(s->run(), [this, s, in](std::exception_ptr failure) {
        if (failure) tools_.stats().exceptions.add();
        in.end();
        unlink(*s);
        delete s;
    });
}

void worker::link(session& s) noexcept {
    s.next_ = sessions_;
    if (sessions_ != nullptr) sessions_->previous_ = &s;
    sessions_ = &s;
    tools_.stats().connections_open.add();
    session_count_.store(session_count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void worker::unlink(session& s) noexcept {
    (s.previous_ != nullptr ? s.previous_->next_ : sessions_) = s.next_;
    if (s.next_ != nullptr) s.next_->previous_ = s.previous_;
    tools_.stats().connections_open.sub(1);
    session_count_.store(session_count_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

void worker::begin_handshake(session& s) {
    s.earlier_handshake_ = newest_handshake_;
    (newest_handshake_ != nullptr ? newest_handshake_->later_handshake_ : oldest_handshake_) = &s;
    newest_handshake_ = &s;
    if (++handshakes_ <= s.from().from->limits.handshakes) return;
    session& oldest = *oldest_handshake_;
    if (&oldest == &s) return;
    tools_.stats().limits.at({tools_.label("handshakes")}).add();
    oldest.cut();  // ends it on the spot
}

void worker::end_handshake(session& s) noexcept {
    (s.earlier_handshake_ != nullptr ? s.earlier_handshake_->later_handshake_ : oldest_handshake_) =
        s.later_handshake_;
    (s.later_handshake_ != nullptr ? s.later_handshake_->earlier_handshake_ : newest_handshake_) =
        s.earlier_handshake_;
    s.later_handshake_ = s.earlier_handshake_ = nullptr;
    --handshakes_;
}

void worker::probe_for(const std::shared_ptr<const snapshot>& s, std::size_t pool, std::size_t backend) {
    if (tools_.current() && tools_.current()->shared == s) return prober_.ask(tools_.current(), pool, backend);
    s->pools[pool].backends[backend].state->probe.end(core::probe_result::none, tools_.now());
}

void worker::begin_drain() {
    acceptors_.clear();
    prober_.stop();
    // drain() may end a session on the spot and take it off the list.
    for (session* s = sessions_; s != nullptr;) {
        session* next = s->next_;
        s->drain();
        s = next;
    }
}

void worker::cut_all() {
    for (session* s = sessions_; s != nullptr;) {
        session* next = s->next_;
        s->cut();
        s = next;
    }
}

void worker::publish_upstream_counters() noexcept {
    net::upstream_counters sum = retired_;
    sum.idle = 0;
    if (tools_.current())
        for (const auto& u : tools_.current()->upstreams) {
            const auto& c = u->counters();
            sum.opened += c.opened;
            sum.reused += c.reused;
            sum.resumed += c.resumed;
            sum.failed += c.failed;
            sum.unexpected_bytes += c.unexpected_bytes;
            sum.idle += c.idle;
        }
    tools_.stats().upstream_opened.set(sum.opened);
    tools_.stats().upstream_reused.set(sum.reused);
    tools_.stats().upstream_resumed.set(sum.resumed);
    tools_.stats().upstream_failed.set(sum.failed);
    tools_.stats().upstream_unexpected.set(sum.unexpected_bytes);
    tools_.stats().upstream_idle.set(sum.idle);
}

}  // namespace spillway::proxy
