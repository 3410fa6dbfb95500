#pragma once

#include <string>

#include "fault_rule.hpp"
#include "instance.hpp"

namespace spillway::sim {

// What a fault of kind `status` answers.
answer answer_of(const fault_rule& r);
// What a fault of kind `error_event` puts into the stream after so many events.
std::string error_event_of(const exchange& x, const fault_rule& r, std::uint64_t events_before);
// One of the events that a fault of kind `preamble` puts before the stream.
std::string preamble_event_of(const exchange& x, const fault_rule& r, std::uint64_t number);
// A harmless event whose data line is that long.
std::string long_event(const exchange& x, std::uint64_t bytes);
// "Sun, 06 Nov 1994 08:49:37 GMT".
// Apart from the code that the gateway reads dates with, on purpose.
std::string http_date(wall_time t);

}  // namespace spillway::sim
