#pragma once

#include <mutex>

#include <spillway/core/probe.hpp>

namespace spillway::proxy {

// The probes of one backend, for all workers: who may ask next, and what was answered last. Any thread; the lock is
// held for a few instructions and taken only when something is wrong.
class probe_state {
public:
    // Takes the right to ask. True: end() has to follow.
    bool begin(time_point now, const core::probe_policy& p) noexcept {
        const std::lock_guard lock(mutex_);
        if (!core::may_ask(facts_, now, p)) return false;
        facts_.asked = now;
        facts_.running = true;
        return true;
    }
    // `none`: no result, and what was known before stays.
    void end(core::probe_result r, time_point now) noexcept {
        const std::lock_guard lock(mutex_);
        facts_.running = false;
        if (r == core::probe_result::none) return;
        facts_.last = r;
        facts_.ended = now;
        if (core::answers_well(r)) proven_ = now;
    }
    core::probe_facts facts() const noexcept {
        const std::lock_guard lock(mutex_);
        return facts_;
    }
    // When a probe was last answered well; never: the epoch of the clock.
    time_point proven() const noexcept {
        const std::lock_guard lock(mutex_);
        return proven_;
    }
    // Decides when the backend has to be asked. Main thread.
    core::probe_watch watch;

private:
    mutable std::mutex mutex_;
    core::probe_facts facts_;
    time_point proven_{};
};

}  // namespace spillway::proxy
