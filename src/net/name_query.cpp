#include "name_query.hpp"

#include <ifaddrs.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstring>
#include <tuple>
#include <utility>

namespace spillway::net {

namespace asio = boost::asio;

namespace {

// Whether this machine has an IPv6 address that reaches beyond its link. Where it has none, IPv6 is asked for only
// when there is nothing else: most containers would double their questions for nothing.
bool speaks_ipv6() {
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) return true;
    bool yes = false, v4 = false;
    for (const ifaddrs* i = all; i != nullptr; i = i->ifa_next) {
        if (i->ifa_addr == nullptr) continue;
        if (i->ifa_addr->sa_family == AF_INET) v4 = true;
        if (i->ifa_addr->sa_family != AF_INET6) continue;
        sockaddr_in6 a{};
        std::memcpy(&a, i->ifa_addr, sizeof a);
        yes = yes || (!IN6_IS_ADDR_LOOPBACK(&a.sin6_addr) && !IN6_IS_ADDR_LINKLOCAL(&a.sin6_addr));
    }
    ::freeifaddrs(all);
    return yes || !v4;
}

bool knows_nothing(int status) noexcept { return status == ARES_ENOTFOUND || status == ARES_ENODATA; }

// A number is no name: no query.
address_list literal(const std::string& host) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return {};
    address_list out{address(found->ai_addr, found->ai_addrlen)};
    ::freeaddrinfo(found);
    return out;
}

}  // namespace

// What c-ares has opened, and what it waits for there. It is c-ares that closes the socket.
struct name_query::channel_socket {
    explicit channel_socket(asio::io_context& io) : watched(io) {}
    ~channel_socket() { watched.release(); }
    channel_socket(const channel_socket&) = delete;
    channel_socket& operator=(const channel_socket&) = delete;

    struct way {
        asio::posix::stream_descriptor::wait_type of;
        bool wanted{false}, awaited{false};
    };
    asio::posix::stream_descriptor watched;
    std::array<way, 2> ways{way{asio::posix::stream_descriptor::wait_read},
                            way{asio::posix::stream_descriptor::wait_write}};
};

name_query::name_query(loop& l, const std::string& host, const std::string& servers, std::function<void()> ended)
    : loop_(l),
      host_(host),
      ended_(std::move(ended)),
      give_up_at_(clock::now() + longest),
      speaks_v6_(speaks_ipv6()) {
    v4_.found = literal(host);
    if (!v4_.found.empty()) return;
    // What the hosts file says is the whole answer: the other family of a name server would go around it.
    if (!open("f", {})) return;
    ask(hosts_file_);
    if (found() || !open("b", servers)) return;
    ++open_;  // an answer that comes at once must not end the look-up before the other question
    asked_v6_ = speaks_v6_;
    ask(v4_);
    if (asked_v6_) ask(v6_);
    --open_;
    const time_point now = clock::now();
    look_further(now);
    if (!done()) wait_for_time(now);
}

bool name_query::open(const char* lookups, const std::string& servers) {
    if (channel_ != nullptr) ares_destroy(std::exchange(channel_, nullptr));
    ares_options how{};
    how.timeout = first_timeout_ms;
    how.tries = tries;
    how.lookups = const_cast<char*>(lookups);  // copied
    how.sock_state_cb = &on_socket;
    how.sock_state_cb_data = this;
    setup_ = ares_init_options(&channel_, &how,
                               ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
    if (setup_ == ARES_SUCCESS && !servers.empty()) setup_ = ares_set_servers_ports_csv(channel_, servers.c_str());
    return setup_ == ARES_SUCCESS;
}

name_query::~name_query() {
    if (channel_ != nullptr) ares_destroy(channel_);
}

void name_query::ask(question& q) {
    ++open_;
    ares_addrinfo_hints hints{};
    hints.ai_family = q.family;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = ARES_AI_NOSORT | ARES_AI_ENVHOSTS;
    ares_getaddrinfo(channel_, host_.c_str(), nullptr, &hints, &on_answer, &q);
}

void name_query::on_answer(void* self, int status, int, ares_addrinfo* found) noexcept {
    auto& q = *static_cast<question*>(self);
    q.status = status;
    --q.of->open_;
    if (found == nullptr) return;
    if (status == ARES_SUCCESS) q.of->take_addresses(*found);
    ares_freeaddrinfo(found);
}

void name_query::take_addresses(const ares_addrinfo& from) {
    const auto least = [this](int ttl) { ttl_ = ttl_ < 0 ? std::max(0, ttl) : std::min(ttl_, std::max(0, ttl)); };
    bool any = false;
    for (const auto* n = from.nodes; n != nullptr; n = n->ai_next) {
        if (n->ai_family != AF_INET && n->ai_family != AF_INET6) continue;
        auto& out = (n->ai_family == AF_INET ? v4_ : v6_).found;
        if (out.size() >= most_addresses) continue;
        address one(n->ai_addr, n->ai_addrlen);
        one.set_port(0);
        least(n->ai_ttl);
        any = true;
        if (std::find(out.begin(), out.end(), one) == out.end()) out.push_back(one);
    }
    for (const auto* c = from.cnames; any && c != nullptr; c = c->next) least(c->ttl);
}

// After an answer: the other family has a moment left, or is asked at last.
void name_query::look_further(time_point now) {
    if (done() && !found() && !asked_v6_ && knows_nothing(v4_.status)) {
        asked_v6_ = true;
        ask(v6_);
    }
    if (!done() && found() && !graced_) {
        graced_ = true;
        give_up_at_ = std::min(give_up_at_, now + grace);
    }
}

// c-ares tells what it waits for; nothing: it is about to close the socket.
void name_query::on_socket(void* self, ares_socket_t fd, int reads, int writes) noexcept {
    auto& q = *static_cast<name_query*>(self);
    if (reads == 0 && writes == 0) {
        q.sockets_.erase(fd);
        return;
    }
    auto& s = q.sockets_[fd];
    if (!s) {
        s = std::make_shared<channel_socket>(q.loop_.context());
        boost::system::error_code ec;
        s->watched.assign(fd, ec);  // not possible: its questions run out of time
    }
    s->ways[0].wanted = reads != 0;
    s->ways[1].wanted = writes != 0;
    q.wait_for(fd);
}

void name_query::wait_for(ares_socket_t fd) {
    const auto at = sockets_.find(fd);
    if (at == sockets_.end() || !at->second->watched.is_open()) return;
    for (auto& w : at->second->ways) {
        if (!w.wanted || w.awaited) continue;
        w.awaited = true;
        at->second->watched.async_wait(
            w.of, [this, fd, &w, alive = std::weak_ptr(at->second)](const boost::system::error_code& ec) {
                if (ec || alive.expired()) return;
                w.awaited = false;
                if (!w.wanted) return;
                const bool reads = w.of == asio::posix::stream_descriptor::wait_read;
                go_on(reads ? fd : ARES_SOCKET_BAD, reads ? ARES_SOCKET_BAD : fd);
            });
    }
}

void name_query::on_due(void* self) noexcept {
    static_cast<name_query*>(self)->go_on(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

void name_query::wait_for_time(time_point now) {
    time_point until = give_up_at_;
    timeval left{};
    if (ares_timeout(channel_, nullptr, &left) != nullptr)
        until = std::min(until, now + seconds(left.tv_sec) + microseconds(left.tv_usec));
    loop_.wheel().schedule(timer_, until);
}

// Something can be read or written, or time has passed.
void name_query::go_on(ares_socket_t reads, ares_socket_t writes) {
    if (done()) return;
    ares_process_fd(channel_, reads, writes);  // and questions whose time is over
    const time_point now = clock::now();
    look_further(now);
    if (!done() && now >= give_up_at_) ares_cancel(channel_);
    if (done()) {
        loop_.wheel().cancel(timer_);
        ended_();
        return;
    }
    wait_for(reads != ARES_SOCKET_BAD ? reads : writes);
    wait_for_time(now);
}

name_answer name_query::take() {
    name_answer out;
    // IPv6 first where the machine speaks it beyond its link, as the C library has it.
    const auto& [first, last] = speaks_v6_ ? std::tie(v6_.found, v4_.found) : std::tie(v4_.found, v6_.found);
    out.addresses = first;
    out.addresses.insert(out.addresses.end(), last.begin(), last.end());
    if (!out.addresses.empty()) {
        out.what = name_answer::kind::found;
        if (ttl_ >= 0) out.ttl = seconds(ttl_);
        return out;
    }
    const bool none = setup_ == ARES_SUCCESS && knows_nothing(v4_.status) && knows_nothing(v6_.status);
    out.what = none ? name_answer::kind::none : name_answer::kind::failed;
    int status = setup_ != ARES_SUCCESS ? setup_ : v4_.status;
    if (setup_ == ARES_SUCCESS && knows_nothing(status)) status = v6_.status;
    if (status == ARES_ECANCELLED) status = ARES_ETIMEOUT;
    out.why = none ? "there is no such name, or it has no address" : ares_strerror(status);
    return out;
}

}  // namespace spillway::net
