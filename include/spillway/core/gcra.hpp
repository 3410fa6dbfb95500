#pragma once

#include <cstdint>
#include <limits>

#include <spillway/base/time.hpp>

namespace spillway::core {

// The generic cell rate algorithm: a bucket that fills at a steady rate, whose whole state is one number, the time at
// which it will be full again. So a bucket is one atomic word, and taking from it is one compare-and-swap.
//
// The state counts sixteenths of a nanosecond since the epoch of `time_point` (18 years fit). What n units cost is
// rounded up once for all n, never for each unit, so the error is below a sixteenth of a nanosecond for each request:
// at a million requests a second 0.006 % of the rate, whatever the rate.
class gcra {
public:
    using state = std::int64_t;
    static constexpr state full = std::numeric_limits<state>::min() / 2;  // at any time
    static constexpr duration longest_debt = hours(24);                   // whatever was taken: a rate is no budget

    // `burst` is how long a full bucket lasts that nothing refills: 30 s at 600 a minute are 300 units at once.
    gcra(std::int64_t per_minute, duration burst) noexcept;

    struct outcome {
        bool granted{false};
        state after{full};  // unchanged when it was not granted
        duration wait{};    // until the same would be granted, if nothing else is taken
    };
    // More units than the burst are granted only when the bucket is full, which then goes into debt for them: a
    // request larger than the burst is not refused for ever, and the rate holds in the long run.
    outcome take(state s, std::int64_t units, time_point now) const noexcept;

    // What was reserved turned out to be something else. Giving back never fills above full; there is no lower end
    // but `longest_debt`.
    state settle(state s, std::int64_t reserved, std::int64_t real, time_point now) const noexcept;

    std::int64_t left(state s, time_point now) const noexcept;    // that one request could take now; full: at least 1
    duration until_full(state s, time_point now) const noexcept;  // rounded up
    std::int64_t used(state s, time_point now) const noexcept;    // taken and not yet flowed back; debt included
    std::int64_t capacity() const noexcept { return units(burst_); }

private:
    std::int64_t cost(std::int64_t units) const noexcept;
    std::int64_t units(std::int64_t ticks) const noexcept;

    std::int64_t per_minute_;
    std::int64_t burst_;  // in ticks
};

}  // namespace spillway::core
