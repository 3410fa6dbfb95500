#pragma once

#include <openssl/evp.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <spillway/base/freed.hpp>
#include <spillway/base/random.hpp>
#include <spillway/core/slow_down.hpp>
#include <spillway/http/usage_tap.hpp>
#include <spillway/net/loop.hpp>
#include <spillway/net/slab.hpp>
#include <spillway/proxy/captured.hpp>
#include <spillway/proxy/log_buffer.hpp>
#include <spillway/proxy/recent_errors.hpp>
#include <spillway/proxy/snapshot.hpp>
#include <spillway/proxy/token_cache.hpp>
#include <spillway/stats/worker_stats.hpp>

namespace spillway::proxy {

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

// What belongs to the thread of one worker and serves everything that runs there: the loop, memory, numbers, caches.
class worker_tools {
public:
    using probe_function =
        std::function<void(const std::shared_ptr<worker_snapshot>& by, std::size_t pool, std::size_t backend)>;

    worker_tools(unsigned index, std::uint64_t seed, process_state& process, stats::worker_stats& stats,
                 stats::label_table& labels, log_buffer::sink log);
    ~worker_tools();
    worker_tools(const worker_tools&) = delete;
    worker_tools& operator=(const worker_tools&) = delete;

    net::loop& loop() noexcept { return loop_; }
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
        probe_(by, pool, backend);
    }
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

    // For the worker: the configuration that serves from now on, who asks probes, and that a second is over.
    void serve_by(std::shared_ptr<worker_snapshot> next) noexcept { current_ = std::move(next); }
    void probe_by(probe_function ask) { probe_ = std::move(ask); }
    void begin_second() noexcept { alarms_this_second_ = 0; }

private:
    struct known_label {
        std::string name;
        stats::label number{0};
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
    probe_function probe_;
    std::vector<std::unique_ptr<scratch>> scratches_;
    std::vector<std::unique_ptr<http::usage_tap>> taps_;
    std::string text_;
    stats::label_table& labels_;
    std::unordered_map<const char*, known_label> known_labels_;  // by where the name lay when it was asked for
    std::array<stats::label, 600> status_labels_{};
    token_cache tokens_;
    core::failure_table failures_;
    owned<EVP_MD_CTX, EVP_MD_CTX_free> digest_context_;
    owned<EVP_MD, EVP_MD_free> digest_;
    std::uint32_t alarms_this_second_{0};
    net::timer release_;  // of large buffers, bit by bit
};

}  // namespace spillway::proxy
