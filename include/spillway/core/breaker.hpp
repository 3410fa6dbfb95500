#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <spillway/base/time.hpp>
#include <spillway/config/traffic.hpp>

namespace spillway::core {

using breaker_policy = config::breaker_policy;

// Why requests stay away. `throttled` is back-pressure and ends at the told time to the millisecond; `unhealthy` and
// `misconfigured` end with trials; `busy` is the backend's own cap on requests in flight.
enum class breaker_mode : std::uint8_t { closed, throttled, unhealthy, misconfigured, half_open, busy };
std::string_view to_string(breaker_mode m) noexcept;

// What a breaker says at one moment.
struct availability {
    breaker_mode mode{breaker_mode::closed};
    bool usable{true};
    bool trial{false};   // usable only for a trial, which has to be claimed
    time_point until{};  // when it becomes usable, as far as is known
};

// Of two breakers in a row (backend and instance): both have to let a request through.
availability both(const availability& a, const availability& b) noexcept;

// The circuit of one backend, or of one instance. Pure: the time is an argument, nothing is locked.
//
// Two timers that never mix: the throttle's (429: the later deadline is kept, no trial, no sickness) and the health's
// (failures: opens at the threshold or for the told time, then lets trials through, doubles when a trial fails).
class breaker {
public:
    explicit breaker(const breaker_policy& policy);

    // Takes another policy and keeps the state.
    void set_policy(const breaker_policy& policy);

    availability view(time_point now) const noexcept;
    // True when requests pass whatever the time is: the answer that may be cached without a clock.
    bool closed() const noexcept { return health_ == health::closed && throttled_until_ == time_point{}; }

    // Reserves one of the trials of a half-open breaker. Every claimed trial ends in exactly one of on_success,
    // on_throttled, on_failure, on_misconfigured (with trial = true) or abandon_trial.
    bool claim_trial(time_point now) noexcept;
    // The trial brought no verdict: the client left, or the attempt never started.
    void abandon_trial() noexcept;

    void on_success(time_point now, bool trial) noexcept;
    void on_throttled(time_point now, std::optional<duration> told, bool trial) noexcept;
    // `jitter` in [0, 1) spreads the reopening. A failure that is no trial while the breaker is open comes from a
    // request that was sent before and changes nothing, except that a told time is kept.
    void on_failure(time_point now, std::optional<duration> told, bool trial, double jitter);
    void on_misconfigured(time_point now, bool trial, double jitter);

    std::uint64_t times_opened() const noexcept { return times_opened_; }
    std::uint64_t times_throttled() const noexcept { return times_throttled_; }

private:
    enum class health : std::uint8_t { closed, open };
    void open(time_point now, breaker_mode why, duration how_long) noexcept;
    void reopen(time_point now, breaker_mode why, double jitter) noexcept;
    void trial_failed(time_point now, breaker_mode why, double jitter) noexcept;
    void close() noexcept;
    duration bounded_told(duration told) const noexcept;

    breaker_policy policy_;
    health health_{health::closed};
    breaker_mode why_{breaker_mode::unhealthy};
    time_point throttled_until_{};
    time_point open_until_{};
    duration open_for_{};
    std::uint32_t trials_running_{0};
    std::vector<time_point> failures_;  // the last ones, oldest overwritten first
    std::size_t next_failure_{0};
    std::uint64_t times_opened_{0}, times_throttled_{0};
};

}  // namespace spillway::core
