#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <spillway/net/acceptor.hpp>
#include <spillway/proxy/handshake_list.hpp>
#include <spillway/proxy/prober.hpp>
#include <spillway/proxy/worker_tools.hpp>

namespace spillway::proxy {

// One event loop with everything that belongs to its thread: the sessions, and the tools that serve them.
class worker final : public handshake_list {
public:
    worker(unsigned index, std::uint64_t seed, process_state& process, stats::worker_stats& stats,
           stats::label_table& labels, log_buffer::sink log);
    ~worker();
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    // The thread's function: serves until stop().
    void run() { tools_.loop().run(); }
    void post(std::function<void()> work) { tools_.loop().post(std::move(work)); }

    // These run on the worker's thread (the server posts them).
    void adopt(std::shared_ptr<const snapshot> next);
    // `key` tells sockets of one listener on different addresses apart.
    void accept_on(const std::string& listener_name, const std::string& key, int listening_fd);
    void stop_accepting(const std::string& key);
    void set_addresses(const std::string& host, const net::address_list& found);
    void begin_drain();  // no new connections; idle sessions end, busy ones after their exchange
    void cut_all();      // ends what is still running
    void stop() noexcept { tools_.loop().stop(); }

    // Any thread.
    std::size_t sessions() const noexcept { return session_count_.load(std::memory_order_relaxed); }
    // Others to hand a connection to when they have fewer sessions; set once before the threads start.
    void set_peers(std::span<const std::unique_ptr<worker>> peers) { peers_ = peers; }
    worker_tools& tools() noexcept { return tools_; }
    net::loop& loop() noexcept { return tools_.loop(); }
    // Asks a backend for the main thread, whose snapshot may not be this worker's any more.
    void probe_for(const std::shared_ptr<const snapshot>& s, std::size_t pool, std::size_t backend);

private:
    // What a connection was counted in when it was accepted.
    struct counted {
        std::shared_ptr<std::atomic<std::size_t>> open;
        std::shared_ptr<address_counts> by_address;  // null: not by its address
        address_counts::place place{address_counts::uncounted};

        void end() const noexcept {
            open->fetch_sub(1, std::memory_order_relaxed);
            if (by_address) by_address->leave(place);
        }
    };
    void on_accepted(const std::string& listener_name, int fd, const net::address& peer);
    // Nothing: the listener, the process or the peer's address has as many as it may.
    std::optional<counted> count(const listener& at, const net::address& peer);
    void take_connection(const std::shared_ptr<const listener>& from, int fd, const net::address& peer,
                         const counted& in);
    void end_outdated_sessions();
    // Beyond the listener's limit the oldest that is still at it ends.
    void begin_handshake(session& s) override;
    void end_handshake(session& s) noexcept override;
    void link(session& s) noexcept;
    void unlink(session& s) noexcept;
    void publish_upstream_counters() noexcept;

    struct accepting {
        std::string key;
        std::unique_ptr<net::acceptor> from;
    };

    worker_tools tools_;
    prober prober_{tools_};
    std::vector<accepting> acceptors_;
    std::map<std::string, net::address_list> addresses_;
    std::span<const std::unique_ptr<worker>> peers_;
    session* sessions_{nullptr};
    session* oldest_handshake_{nullptr};
    session* newest_handshake_{nullptr};
    std::size_t handshakes_{0};
    std::atomic<std::size_t> session_count_{0};
    net::timer housekeeping_;
    net::upstream_counters retired_;  // of upstreams that reloads removed
};

}  // namespace spillway::proxy
