#pragma once

#include <cmath>

#include <spillway/base/time.hpp>

namespace spillway::core {

// Time to first byte as peak-EWMA sees it: a worse value counts at once, a better one slowly, and silence forgives.
struct peak_latency {
    static constexpr double decay_seconds = 10;

    double seconds{0};  // 0: nothing is known
    time_point at{};

    double now_is(time_point now) const noexcept {
        return seconds == 0 ? 0 : seconds * std::exp(-seconds_between(at, now) / decay_seconds);
    }
    peak_latency with(double observed, time_point now) const noexcept {
        if (seconds == 0 || observed >= seconds) return {observed, now};
        const double keep = std::exp(-seconds_between(at, now) / decay_seconds);
        return {seconds * keep + observed * (1 - keep), now};
    }
};

}  // namespace spillway::core
