#pragma once

#include <chrono>

namespace spillway {

// The one monotonic clock of the house. Decisions take a `time_point` as an argument; only shells read it.
using clock = std::chrono::steady_clock;
using time_point = clock::time_point;
using duration = clock::duration;

// Wall time is for people and for HTTP dates alone, never for deadlines.
using wall_clock = std::chrono::system_clock;
using wall_time = wall_clock::time_point;

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

inline double seconds_between(time_point from, time_point to) noexcept {
    return std::chrono::duration<double>(to - from).count();
}

}  // namespace spillway
