#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spillway/base/time.hpp>
#include <spillway/net/address.hpp>
#include <spillway/net/proxy.hpp>
#include <spillway/net/slab.hpp>
#include <spillway/net/stream.hpp>
#include <spillway/net/tls_context.hpp>

namespace spillway::net {

// What has to be equal for two requests to share a connection: where it goes and how it is secured. Requests carry
// the credential, connections do not, but instances with different credentials never share an upstream anyway.
struct endpoint {
    std::string host;  // name to resolve, and to verify unless tls_name is set
    std::uint16_t port{443};
    ssl_ctx_ptr tls;       // null: plain HTTP
    std::string tls_name;  // SNI and certificate name when it differs from host
    proxy_server proxy;    // that the connection goes through; it resolves the host then

    // Where the socket goes.
    const std::string& dial_host() const noexcept { return proxy ? proxy.host : host; }
    std::uint16_t dial_port() const noexcept { return proxy ? proxy.port : port; }
    friend bool operator==(const endpoint&, const endpoint&) = default;
};

struct upstream_limits {
    duration connect_timeout{seconds(5)};  // for all addresses together, TLS included
    duration idle_timeout{seconds(50)};    // below the servers' own, so that we close first
    duration max_age{minutes(10)};
    std::size_t max_idle{256};  // per worker
};

enum class connect_error : std::uint8_t {
    none,
    dns,
    connect,
    tls,
    timed_out,
    interrupted,
    local,  // descriptors, ports or memory ran out here; the instance was not asked
};

class upstream;

// One connection to an instance. Between requests it lies in its upstream's idle list and watches for being closed.
class upstream_connection {
public:
    upstream_connection(loop& l, upstream& owner) noexcept : io(l), idle_timer_(&on_idle_due, this), owner_(owner) {}

    stream io;
    bool reused() const noexcept { return uses_ > 1; }

private:
    friend class upstream;
    static void on_idle_event(watch& w) noexcept;
    static void on_idle_due(void* self) noexcept;

    timer idle_timer_;
    upstream& owner_;
    time_point born_{};
    std::uint32_t uses_{0};
};

struct upstream_counters {
    std::uint64_t opened{0}, reused{0}, resumed{0}, failed{0}, closed_idle{0}, unexpected_bytes{0};
    std::uint64_t idle{0};  // at the moment
};

struct connect_result {
    std::unique_ptr<upstream_connection> connection;
    connect_error error{connect_error::none};
    std::string detail;  // for the log: address and reason
};

// All connections of one worker to one instance: newest first, so that warm ones stay warm and surplus ones age out.
// TLS sessions are kept and offered again. Belongs to its loop's thread.
class upstream {
public:
    upstream(loop& l, endpoint to, upstream_limits limits);
    upstream(const upstream&) = delete;
    upstream& operator=(const upstream&) = delete;
    ~upstream();

    const endpoint& target() const noexcept { return to_; }
    const upstream_counters& counters() const noexcept { return counters_; }
    void set_limits(const upstream_limits& l) noexcept { limits_ = l; }

    // Tells the addresses that the resolver found; an empty list says that the name does not resolve. Until the first
    // call acquire() waits for it.
    void set_addresses(address_list found);

    // An idle connection unless `fresh`, else a new one.
    task<connect_result> acquire(bool fresh, duration connect_timeout, interrupt* by);
    // An idle connection at once, or null: the path without a coroutine.
    std::unique_ptr<upstream_connection> take_idle() noexcept;
    // Back after a complete answer. What cannot be used again is closed.
    void release(std::unique_ptr<upstream_connection> c, bool reusable) noexcept;
    void close_idle() noexcept;
    // Takes over the reference; offered to the server at the next handshake.
    void keep_session(SSL_SESSION* session) noexcept;

private:
    friend class upstream_connection;
    void drop(upstream_connection& c) noexcept;
    task<connect_result> open(duration connect_timeout, interrupt* by);
    task<connect_error> open_one(upstream_connection& c, const address& a, time_point deadline, interrupt* by,
                                 std::string& detail);
    task<connect_error> start_tls(upstream_connection& c, time_point deadline, interrupt* by, std::string& detail);

    loop& loop_;
    endpoint to_;
    upstream_limits limits_;
    std::optional<address_list> addresses_;
    std::size_t next_address_{0};
    std::vector<waiter*> waiting_for_addresses_;
    std::vector<std::unique_ptr<upstream_connection>> idle_;
    SSL_SESSION* session_{nullptr};
    upstream_counters counters_;
};

}  // namespace spillway::net
