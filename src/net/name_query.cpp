#include "name_query.hpp"

#include <ifaddrs.h>
#include <netdb.h>

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

namespace spillway::net {
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

name_query::name_query(const std::string& host, const std::string& servers, time_point now)
    : host_(host), give_up_at_(now + longest), speaks_v6_(speaks_ipv6()) {
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
    look_further(now);
}

bool name_query::open(const char* lookups, const std::string& servers) {
    if (channel_ != nullptr) ares_destroy(std::exchange(channel_, nullptr));
    ares_options how{};
    how.timeout = first_timeout_ms;
    how.tries = tries;
    how.lookups = const_cast<char*>(lookups);  // copied
    setup_ = ares_init_options(&channel_, &how, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS);
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

void name_query::wait_for(std::vector<pollfd>& out, time_point& until, time_point now) {
    ares_socket_t fds[ARES_GETSOCK_MAXNUM];
    const auto bits = static_cast<unsigned>(ares_getsock(channel_, fds, ARES_GETSOCK_MAXNUM));
    for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
        const bool reads = ARES_GETSOCK_READABLE(bits, i) != 0, writes = ARES_GETSOCK_WRITABLE(bits, i) != 0;
        if (!reads && !writes) break;
        out.push_back({fds[i], static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)), 0});
    }
    until = std::min(until, give_up_at_);
    timeval left{};
    if (ares_timeout(channel_, nullptr, &left) != nullptr)
        until = std::min(until, now + seconds(left.tv_sec) + microseconds(left.tv_usec));
}

void name_query::serve(const pollfd* first, const pollfd* last, time_point now) {
    for (const auto* p = first; p != last; ++p) {
        const bool ended = (p->revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
        const bool reads = ended || (p->revents & POLLIN) != 0;
        const bool writes = (ended && (p->events & POLLOUT) != 0) || (p->revents & POLLOUT) != 0;
        if (reads || writes)
            ares_process_fd(channel_, reads ? p->fd : ARES_SOCKET_BAD, writes ? p->fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // questions whose time is over
    look_further(now);
    if (!done() && now >= give_up_at_) ares_cancel(channel_);
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
