#pragma once

#include <string>

#include <spillway/base/time.hpp>
#include <spillway/config/usage.hpp>

namespace spillway::core {

// Calendar periods in UTC. Weeks begin on Monday.
struct period_bounds {
    wall_time begin, end;  // end is the beginning of the next one
};
period_bounds period_of(wall_time at, config::period p) noexcept;

// "2026-11-26", "2026-W48" (ISO 8601), "2026-11": sorts by time within a kind.
std::string period_key(wall_time at, config::period p);

}  // namespace spillway::core
