#pragma once

#include <ares.h>
#include <poll.h>

#include <string>
#include <vector>

#include <spillway/net/name_schedule.hpp>

namespace spillway::net {

// One look-up of one name by c-ares: IPv4 and IPv6 addresses are two questions, so that a name server that has no
// good answer to one of them does not spoil the other.
//
// Each look-up has a channel of its own: it reads resolv.conf and the hosts file as they are now, asks from a new
// port, and a server that is silent about one name is not held against it for another.
class name_query {
public:
    static constexpr int first_timeout_ms = 1000, tries = 3;  // of a server: 1, 2 and 4 seconds
    static constexpr duration longest = seconds(20);          // all servers and search domains together
    static constexpr duration grace = milliseconds(500);      // for the other family, once one has answered
    static constexpr std::size_t most_addresses = 512;

    // `servers`: comma-separated addresses with ports; empty: those of resolv.conf.
    name_query(const std::string& host, const std::string& servers, time_point now);
    ~name_query();
    name_query(const name_query&) = delete;
    name_query& operator=(const name_query&) = delete;

    bool done() const noexcept { return open_ == 0; }
    // Adds what it waits for to a poll() that ends at `until` at the latest.
    void wait_for(std::vector<pollfd>& out, time_point& until, time_point now);
    // What poll() said of what was added.
    void serve(const pollfd* first, const pollfd* last, time_point now);
    name_answer take();

private:
    struct question {
        name_query* of;
        int family;
        int status{ARES_SUCCESS};
        address_list found;
    };
    static void on_answer(void* self, int status, int timeouts, ares_addrinfo* found) noexcept;
    bool open(const char* lookups, const std::string& servers);
    void ask(question& q);
    void take_addresses(const ares_addrinfo& found);
    bool found() const noexcept { return !v4_.found.empty() || !v6_.found.empty(); }
    void look_further(time_point now);

    std::string host_;
    ares_channel channel_{nullptr};
    time_point give_up_at_;
    bool graced_{false};
    unsigned open_{0};  // questions without an answer
    question hosts_file_{this, AF_UNSPEC}, v4_{this, AF_INET}, v6_{this, AF_INET6};
    const bool speaks_v6_;
    bool asked_v6_{false};
    int ttl_{-1};
    int setup_{ARES_SUCCESS};
};

}  // namespace spillway::net
