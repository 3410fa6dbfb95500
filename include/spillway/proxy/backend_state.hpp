#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include <spillway/base/random.hpp>
#include <spillway/core/breaker.hpp>
#include <spillway/core/ewma.hpp>
#include <spillway/core/shed.hpp>

namespace spillway::proxy {

// What all workers know about one deployment, or about one instance: its breaker. A 429 that one core meets stops all
// cores. Looking is lock-free; only changes take the lock, for a few instructions, never across an await.
class breaker_state {
public:
    explicit breaker_state(const core::breaker_policy& policy) : breaker_(policy) { publish(); }

    bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }

    // Whether a request may go there, and if not until when. Lock-free while the breaker is closed.
    core::availability view(time_point now) const noexcept {
        if (closed()) return {};
        const std::lock_guard lock(mutex_);
        return breaker_.view(now);
    }

    // Changes the breaker under its lock and shows the result to the lock-free readers.
    template <class F>
    auto change(F&& f) {
        const std::lock_guard lock(mutex_);
        struct publisher {
            breaker_state& s;
            ~publisher() { s.publish(); }
        } at_end{*this};
        return f(breaker_);
    }

    core::breaker snapshot() const {
        const std::lock_guard lock(mutex_);
        return breaker_;
    }

private:
    void publish() noexcept { closed_.store(breaker_.closed(), std::memory_order_release); }

    mutable std::mutex mutex_;
    core::breaker breaker_;
    std::atomic<bool> closed_{true};
};

// One deployment, as all workers see it. Kept over reloads as long as the deployment is the same.
struct shared_backend {
    explicit shared_backend(const core::breaker_policy& policy) : breaker(policy) {}

    breaker_state breaker;
    std::atomic<std::uint32_t> outstanding{0};  // attempts in flight, until the last byte of their answers

    // What the backend last told of its token limit; two workers may mix their readings, which then are equally new.
    void tell_tokens(std::int64_t left, std::int64_t limit, time_point now) noexcept {
        tokens_left_.store(left, std::memory_order_relaxed);
        if (limit > 0) tokens_limit_.store(limit, std::memory_order_relaxed);
        tokens_told_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    }
    core::backend_capacity capacity(time_point now) const noexcept {
        core::backend_capacity out;
        out.usable = breaker.view(now).usable;
        if (const auto limit = tokens_limit_.load(std::memory_order_relaxed); limit > 0) out.limit_tokens = limit;
        if (const auto left = tokens_left_.load(std::memory_order_relaxed); left >= 0) out.left_tokens = left;
        out.told = time_point(duration(tokens_told_.load(std::memory_order_relaxed)));
        return out;
    }

    double latency(time_point now) const noexcept {
        return core::peak_latency{latency_.load(std::memory_order_relaxed), at()}.now_is(now);
    }
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

}  // namespace spillway::proxy
