#pragma once

#include <ares.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <spillway/net/loop.hpp>
#include <spillway/net/name_schedule.hpp>

namespace spillway::net {

// One look-up of one name by c-ares: IPv4 and IPv6 addresses are two questions, so that a name server that has no
// good answer to one of them does not spoil the other.
//
// Each look-up has a channel of its own: it reads resolv.conf and the hosts file as they are now, asks from a new
// port, and a server that is silent about one name is not held against it for another.
//
// Asio waits for c-ares' sockets, not the loop's own watches: c-ares does not always read until there is nothing
// more.
class name_query {
public:
    static constexpr int first_timeout_ms = 1000, tries = 3;  // of a server: 1, 2 and 4 seconds
    static constexpr duration longest = seconds(20);          // all servers and search domains together
    static constexpr duration grace = milliseconds(500);      // for the other family, once one has answered
    static constexpr std::size_t most_addresses = 512;

    // `servers`: comma-separated addresses with ports; empty: those of resolv.conf. `ended` is called on the loop
    // when the last answer has come, unless done() holds from the beginning; it may not destroy the look-up.
    name_query(loop& l, const std::string& host, const std::string& servers, std::function<void()> ended);
    ~name_query();
    name_query(const name_query&) = delete;
    name_query& operator=(const name_query&) = delete;

    bool done() const noexcept { return open_ == 0; }
    name_answer take();

private:
    struct question {
        name_query* of;
        int family;
        int status{ARES_SUCCESS};
        address_list found;
    };
    struct channel_socket;
    static void on_socket(void* self, ares_socket_t fd, int reads, int writes) noexcept;
    static void on_due(void* self) noexcept;
    static void on_answer(void* self, int status, int timeouts, ares_addrinfo* found) noexcept;
    bool open(const char* lookups, const std::string& servers);
    void ask(question& q);
    void take_addresses(const ares_addrinfo& found);
    bool found() const noexcept { return !v4_.found.empty() || !v6_.found.empty(); }
    void look_further(time_point now);
    void wait_for(ares_socket_t fd);
    void wait_for_time(time_point now);
    void go_on(ares_socket_t reads, ares_socket_t writes);

    loop& loop_;
    std::string host_;
    std::function<void()> ended_;
    timer timer_{&name_query::on_due, this};
    std::map<ares_socket_t, std::shared_ptr<channel_socket>> sockets_;
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
