#pragma once

#include <atomic>

namespace spillway::quota {

// The figures of a holder stand alone: no other memory is read by what they say.
inline constexpr auto relaxed = std::memory_order_relaxed;

}  // namespace spillway::quota
