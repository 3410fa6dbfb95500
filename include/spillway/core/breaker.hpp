#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <spillway/base/time.hpp>
#include <spillway/config/traffic.hpp>
#include <spillway/core/evidence.hpp>

namespace spillway::core {

using breaker_policy = config::breaker_policy;

// Why requests stay away. `throttled` is back-pressure and ends at the told time to the millisecond; `unhealthy` and
// `misconfigured` end with trials or a probe; `busy` is the backend's own cap on requests in flight.
enum class breaker_mode : std::uint8_t { closed, throttled, unhealthy, misconfigured, half_open, busy };
std::string_view to_string(breaker_mode m) noexcept;

// What a breaker says at one moment.
struct availability {
    breaker_mode mode{breaker_mode::closed};
    bool usable{true};
    bool trial{false};   // usable only for a trial, which has to be claimed
    time_point until{};  // when it becomes usable, as far as is known
    // When it may be tried although it is unusable, if the pool has no other. time_point::max(): not at all.
    time_point last_resort{time_point::max()};
    bool proven{true};  // something but the clock says that it works: no failures, or a probe since
};

// Of two breakers in a row (backend and instance): both have to let a request through.
availability both(const availability& a, const availability& b) noexcept;

// A failure, as the breaker has to know it.
struct failure {
    breaker_mode why{breaker_mode::unhealthy};  // or misconfigured
    std::optional<duration> told;               // the backend asked for a rest
    bool trial{false};                          // of a claimed trial, whose place it gives back
    bool proven{false};                         // opens without being counted
    bool last_resort{false};                    // no other was usable: the time between trials does not grow
    double jitter{0.5};                         // in [0, 1), spreads the reopening
};

// The circuit of one backend, or of one instance. Pure: the time is an argument, nothing is locked.
//
// Two timers that never mix: the throttle's (429: the later deadline is kept, no trial, no sickness) and the health's
// (opens when too large a share of what ended failed, or for the told time; then lets trials through, and doubles
// when a trial fails). What ended how is counted by an evidence_window beside it, so that successes need no lock.
class breaker {
public:
    explicit breaker(const breaker_policy& policy);

    // Takes another policy and keeps the state.
    void set_policy(const breaker_policy& policy);
    const breaker_policy& policy() const noexcept { return policy_; }

    availability view(time_point now) const noexcept;
    // True when requests pass whatever the time is: the answer that may be cached without a clock.
    bool closed() const noexcept { return !open_ && throttled_until_ == time_point{}; }
    bool healthy() const noexcept { return !open_; }
    bool misconfigured() const noexcept { return open_ && why_ == breaker_mode::misconfigured; }

    // Reserves one of the trials of a half-open breaker, or, as a `last_resort`, of an open one. Every claimed trial
    // ends in exactly one of on_success, on_throttled, on_failure (with trial = true), on_doubtful or abandon_trial.
    // A trial that runs for longer than `open` (as a last resort: `last_resort`) keeps no other from being claimed.
    bool claim_trial(time_point now, bool last_resort = false) noexcept;
    // The trial brought no verdict: the client left, or the attempt never started.
    void abandon_trial() noexcept;
    // The trial failed, and so did every other backend that was asked: it may be the request's own doing. The next
    // one goes soon.
    void on_doubtful(time_point now) noexcept;

    void on_success(time_point now, bool trial) noexcept;
    void on_throttled(time_point now, std::optional<duration> told, bool trial) noexcept;
    // `seen`: what ended inside the window, this failure included. A failure that is no trial while the breaker is
    // open comes from a request that was sent before and changes nothing, except that a told time is kept.
    void on_failure(time_point now, const failure& f, const evidence_window::tally& seen) noexcept;

    // A probe was answered. `whole`: what it was sick of is over, and it closes; a throttle stays. Else there is
    // life, and the work itself may still fail: it is proven, and trials go at their times.
    void on_proof(bool whole) noexcept;
    // A probe of an open breaker was not answered: as a failed trial.
    void on_disproof(time_point now, double jitter) noexcept;

    std::uint64_t times_opened() const noexcept { return times_opened_; }
    std::uint64_t times_throttled() const noexcept { return times_throttled_; }

private:
    bool tips(const evidence_window::tally& seen) const noexcept;
    void open(time_point now, breaker_mode why, duration how_long) noexcept;
    void reopen(time_point now, breaker_mode why, double jitter, bool grows) noexcept;
    void trial_failed(time_point now, const failure& f) noexcept;
    void close() noexcept;
    duration bounded_told(duration told) const noexcept;

    breaker_policy policy_;
    bool open_{false};
    bool proven_{false};  // while open
    breaker_mode why_{breaker_mode::unhealthy};
    time_point throttled_until_{};
    time_point open_until_{}, last_resort_at_{}, claimed_at_{};
    duration open_for_{};
    std::uint32_t trials_running_{0};
    std::uint64_t times_opened_{0}, times_throttled_{0};
};

}  // namespace spillway::core
