#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include <spillway/base/random.hpp>
#include <spillway/core/breaker.hpp>
#include <spillway/core/evidence.hpp>
#include <spillway/core/ewma.hpp>
#include <spillway/core/retry_budget.hpp>
#include <spillway/core/shed.hpp>
#include <spillway/proxy/probe_state.hpp>

namespace spillway::proxy {

// What all workers know about one deployment, or about one instance: its breaker, and what it judges by. A 429 that
// one core meets stops all cores. Looking and counting successes is lock-free; only changes take the lock, for a few
// instructions, never across an await.
class breaker_state {
    using tally = core::evidence_window::tally;

    // Changes the breaker under its lock and shows the result to the lock-free readers. What was counted of a sick
    // time says nothing about the time after it.
    template <class F>
    auto change(F&& f) {
        const std::lock_guard lock(mutex_);
        struct publisher {
            breaker_state& s;
            bool healthy;
            ~publisher() {
                if (!healthy && s.breaker_.healthy()) {
                    s.window_.clear();
                    s.clients_.clear();
                }
                s.publish();
            }
        } at_end{*this, breaker_.healthy()};
        return f(breaker_);
    }

public:
    explicit breaker_state(const core::breaker_policy& policy) : breaker_(policy) { set_policy(policy); }

    bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }

    // Whether a request may go there, and if not until when. Lock-free while the breaker is closed.
    core::availability view(time_point now) const noexcept {
        if (closed()) return {};
        const std::lock_guard lock(mutex_);
        return breaker_.view(now);
    }

    // An exchange was served here.
    void succeeded(time_point now, bool trial) {
        window_.success(now);
        if (!closed()) change([&](core::breaker& b) { b.on_success(now, trial); });
    }
    // An answer that shows life and counts as neither success nor failure (a 400, say).
    void answered(time_point now, bool trial) {
        if (!closed()) change([&](core::breaker& b) { b.on_success(now, trial); });
    }
    void throttled(time_point now, std::optional<duration> told, bool trial) {
        change([&](core::breaker& b) { b.on_throttled(now, told, trial); });
    }
    void failed(time_point now, const core::failure& f) {
        change([&](core::breaker& b) { b.on_failure(now, f, b.healthy() ? window_.failure(now) : tally{}); });
    }
    // Whether a failure that this client may have brought about counts.
    bool counts(std::uint32_t client, time_point now) noexcept {
        return clients_.counts(client, now, window_length());
    }
    // A client has got its whole answer.
    void served(std::uint32_t client, time_point now) noexcept { clients_.served(client, now, window_length()); }
    // An answer that was counted as a success when it began, at `began`, broke off.
    void broke_off(time_point began, time_point now, const core::failure& f) {
        change([&](core::breaker& b) { b.on_failure(now, f, b.healthy() ? window_.turned(began, now) : tally{}); });
    }

    bool claim_trial(time_point now, bool last_resort) {
        return change([&](core::breaker& b) { return b.claim_trial(now, last_resort); });
    }
    void abandon_trial() {
        change([](core::breaker& b) { b.abandon_trial(); });
    }
    void doubted(time_point now) {
        change([&](core::breaker& b) { b.on_doubtful(now); });
    }

    // A probe was answered; or was not, while the breaker is open. A probe of a closed one that fails is `failed`.
    // What was misconfigured is mended if the probe proved the `credential`, what failed if it proved `failures`
    // over.
    void proved(bool credential, bool failures) {
        if (!closed()) change([=](core::breaker& b) { b.on_proof(b.misconfigured() ? credential : failures); });
    }
    void disproved(time_point now, double jitter) {
        if (!closed()) change([&](core::breaker& b) { b.on_disproof(now, jitter); });
    }

    void set_policy(const core::breaker_policy& policy) {
        window_length_.store(policy.window.count(), std::memory_order_relaxed);
        window_.set_length(policy.window);
        change([&](core::breaker& b) { b.set_policy(policy); });
    }

    core::breaker snapshot() const {
        const std::lock_guard lock(mutex_);
        return breaker_;
    }

private:
    duration window_length() const noexcept { return duration(window_length_.load(std::memory_order_relaxed)); }
    void publish() noexcept { closed_.store(breaker_.closed(), std::memory_order_release); }

    core::evidence_window window_;
    std::atomic<bool> closed_{true};
    std::atomic<duration::rep> window_length_{duration(seconds(30)).count()};
    core::client_evidence clients_;
    mutable std::mutex mutex_;
    core::breaker breaker_;
};

// One deployment, as all workers see it. Kept over reloads as long as the deployment is the same.
struct shared_backend {
    explicit shared_backend(const core::breaker_policy& policy) : breaker(policy) {}

    breaker_state breaker;
    probe_state probe;
    std::atomic<std::uint32_t> outstanding{0};  // attempts in flight, until the last byte of their answers

    // What the backend last told of its token limit; two workers may mix their readings, which then are equally new.
    void tell_tokens(std::int64_t left, std::int64_t limit, time_point now) noexcept {
        tokens_left_.store(left, std::memory_order_relaxed);
        if (limit > 0) tokens_limit_.store(limit, std::memory_order_relaxed);
        tokens_told_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    }
    core::backend_capacity capacity(bool usable) const noexcept {
        core::backend_capacity out;
        out.usable = usable;
        if (const auto limit = tokens_limit_.load(std::memory_order_relaxed); limit > 0) out.limit_tokens = limit;
        if (const auto left = tokens_left_.load(std::memory_order_relaxed); left >= 0) out.left_tokens = left;
        out.told = time_point(duration(tokens_told_.load(std::memory_order_relaxed)));
        return out;
    }

    double latency(time_point now) const noexcept {
        return core::peak_latency{latency_.load(std::memory_order_relaxed), at()}.now_is(now);
    }
    // When it last answered a request well; never: the epoch of the clock.
    time_point answered() const noexcept { return at(); }
    // Two workers may overwrite each other here; an estimate survives that.
    void observe_latency(double seconds, time_point now) noexcept {
        const auto next = core::peak_latency{latency_.load(std::memory_order_relaxed), at()}.with(seconds, now);
        latency_.store(next.seconds, std::memory_order_relaxed);
        latency_at_.store(next.at.time_since_epoch().count(), std::memory_order_relaxed);
    }

private:
    time_point at() const noexcept { return time_point(duration(latency_at_.load(std::memory_order_relaxed))); }

    std::atomic<double> latency_{0};
    std::atomic<duration::rep> latency_at_{0};
    std::atomic<std::int64_t> tokens_left_{-1}, tokens_limit_{-1};
    std::atomic<duration::rep> tokens_told_{0};
};

// What all workers know about one pool. Kept over reloads by the pool's name.
struct shared_pool {
    explicit shared_pool(double retry_share) : budget(retry_share) {}

    core::retry_budget budget;
    core::pool_evidence evidence;
    // Attempts that have waited this long for their first byte make a probe ask. Kept up to date by the main thread;
    // zero: nothing is known yet.
    std::atomic<duration::rep> suspect_after{0};
};

}  // namespace spillway::proxy
