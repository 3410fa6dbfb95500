#pragma once

#include <openssl/evp.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <spillway/base/random.hpp>
#include <spillway/core/slow_down.hpp>
#include <spillway/http/usage_tap.hpp>
#include <spillway/net/acceptor.hpp>
#include <spillway/net/loop.hpp>
#include <spillway/net/slab.hpp>
#include <spillway/proxy/captured.hpp>
#include <spillway/proxy/log_buffer.hpp>
#include <spillway/proxy/prober.hpp>
#include <spillway/proxy/recent_errors.hpp>
#include <spillway/proxy/snapshot.hpp>
#include <spillway/proxy/token_cache.hpp>
#include <spillway/stats/worker_stats.hpp>

namespace spillway::proxy {

class session;
class usage_estimator;
struct scratch;

// What all workers of the process share besides the backends' states; atomics only.
struct process_state {
    std::atomic<bool> ready{false};  // what /health/ready says, kept up to date by the main thread
    std::atomic<bool> draining{false};
    std::size_t most_sessions{~std::size_t{0}};  // of all workers: descriptors stay for backends; set before they run
    std::atomic<std::size_t> body_bytes{0};      // held by request bodies, against snapshot.body_memory
    std::function<void(std::string)> alarm;   // tells operators; any thread, never blocks; set before the workers run
    std::function<bool(captured&&)> capture;  // takes prompts and answers; any thread, never blocks; false: dropped
    usage_estimator* estimator{nullptr};      // set before the workers run
    recent_errors errors;
};

// One event loop with everything that belongs to its thread: sessions, connections, buffers, numbers.
class worker {
public:
    worker(unsigned index, std::uint64_t seed, process_state& process, stats::worker_stats& stats,
           stats::label_table& labels, log_buffer::sink log);
    ~worker();
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    // The thread's function: serves until stop().
    void run() { loop_.run(); }
    void post(std::function<void()> work) { loop_.post(std::move(work)); }

    // These run on the worker's thread (the server posts them).
    void adopt(std::shared_ptr<const snapshot> next);
    // `key` tells sockets of one listener on different addresses apart.
    void accept_on(const std::string& listener_name, const std::string& key, int listening_fd);
    void stop_accepting(const std::string& key);
    void set_addresses(const std::string& host, const net::address_list& found);
    void begin_drain();  // no new connections; idle sessions end, busy ones after their exchange
    void cut_all();      // ends what is still running
    void stop() noexcept { loop_.stop(); }

    // Any thread.
    std::size_t sessions() const noexcept { return session_count_.load(std::memory_order_relaxed); }
    // Others to hand a connection to when they have fewer sessions; set once before the threads start.
    void set_peers(std::span<const std::unique_ptr<worker>> peers) { peers_ = peers; }
    net::loop& loop() noexcept { return loop_; }

    // For sessions and exchanges.
    time_point now() const noexcept { return loop_.now(); }
    net::slab_pool& slabs() noexcept { return slabs_; }
    random_source& random() noexcept { return random_; }
    stats::worker_stats& stats() noexcept { return stats_; }
    log_buffer& log() noexcept { return log_; }
    token_cache& tokens() noexcept { return tokens_; }
    // Fired when a token or a provider's keys were asked for and an answer came, whatever it was.
    net::event& answers() noexcept { return answers_; }
    // Asks a backend; the right to is taken already.
    void probe(const std::shared_ptr<worker_snapshot>& by, std::size_t pool, std::size_t backend) {
        prober_.ask(by, pool, backend);
    }
    // The same for the main thread, whose snapshot may not be this worker's any more.
    void probe_for(const std::shared_ptr<const snapshot>& s, std::size_t pool, std::size_t backend);
    core::failure_table& failures() noexcept { return failures_; }
    process_state& process() noexcept { return process_; }
    const std::shared_ptr<worker_snapshot>& current() const noexcept { return current_; }
    // Something for the operators' log, at most a few a second: what floods tells nothing new.
    void alarm(std::string what);
    std::unique_ptr<scratch> take_scratch();
    void give_scratch(std::unique_ptr<scratch> s) noexcept;
    std::unique_ptr<http::usage_tap> take_tap();
    void give_tap(std::unique_ptr<http::usage_tap> t) noexcept;
    // Into this worker's part of the spool; false: it is lost.
    bool append_record(ledger::service& to, const core::usage_record& r) noexcept {
        return to.writer(index_).append(r);
    }
    // Memory for a text that is needed within one call.
    std::string& text() noexcept { return text_; }
    // The metrics' number of a name. Fastest for one that lies at the same address each time, such as a fault's code.
    stats::label label(std::string_view name);
    stats::label status_label(int status);
    // SHA-256 without a fetch or an allocation a call.
    std::array<std::uint8_t, 32> sha256(std::string_view of) noexcept;

private:
    friend class session;
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
    void begin_handshake(session& s);
    void end_handshake(session& s) noexcept;
    void link(session& s) noexcept;
    void unlink(session& s) noexcept;
    void publish_upstream_counters() noexcept;

    struct accepting {
        std::string key;
        std::unique_ptr<net::acceptor> from;
    };

    unsigned index_;
    process_state& process_;
    stats::worker_stats& stats_;
    net::loop loop_;
    net::event answers_{loop_};
    net::slab_pool slabs_;
    random_source random_;
    log_buffer log_;
    std::shared_ptr<worker_snapshot> current_;
    std::vector<accepting> acceptors_;
    std::vector<std::unique_ptr<scratch>> scratches_;
    std::vector<std::unique_ptr<http::usage_tap>> taps_;
    std::string text_;
    std::map<std::string, net::address_list> addresses_;
    stats::label_table& labels_;
    struct known_label {
        std::string name;
        stats::label number{0};
    };
    std::unordered_map<const char*, known_label> known_labels_;  // by where the name lay when it was asked for
    std::array<stats::label, 600> status_labels_{};
    std::span<const std::unique_ptr<worker>> peers_;
    session* sessions_{nullptr};
    session* oldest_handshake_{nullptr};
    session* newest_handshake_{nullptr};
    std::size_t handshakes_{0};
    std::atomic<std::size_t> session_count_{0};
    token_cache tokens_;
    prober prober_{*this};
    core::failure_table failures_;
    EVP_MD_CTX* digest_context_;
    EVP_MD* digest_;
    std::uint32_t alarms_this_second_{0};
    net::timer housekeeping_;
    net::timer release_;  // of large buffers, bit by bit
    net::upstream_counters retired_;  // of upstreams that reloads removed
};

}  // namespace spillway::proxy
