#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include <spillway/base/random.hpp>
#include <spillway/core/breaker.hpp>

namespace spillway::proxy {

// What all workers know about one deployment, or about one instance: its breaker. A 429 that one core meets stops all
// cores. Looking is lock-free; only changes take the lock, for a few instructions, never across an await.
class breaker_state {
public:
    explicit breaker_state(core::breaker_policy policy) : breaker_(policy) { publish(); }

    // Whether a request may go there, and if not until when. Lock-free while the breaker is closed or plainly open.
    core::availability view(time_point now) const noexcept {
        const auto blocked = blocked_until_.load(std::memory_order_acquire);
        if (blocked == 0) return {};
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
    void publish() noexcept {
        const bool closed = breaker_.closed();
        blocked_until_.store(closed ? 0 : 1, std::memory_order_release);
    }

    mutable std::mutex mutex_;
    core::breaker breaker_;
    std::atomic<std::int64_t> blocked_until_{0};
};

}  // namespace spillway::proxy
