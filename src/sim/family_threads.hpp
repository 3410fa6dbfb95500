#pragma once

#include "visit.hpp"

namespace spillway::sim {

// A thread with the messages of `wanted`, or an empty one.
stored& make_thread(visit& v, const json& wanted);
// One message of a thread, not kept yet; `wanted` is as a client gives it.
stored make_message(visit& v, const std::string& thread, const json& wanted);

}  // namespace spillway::sim
