#pragma once

#include <cstdint>

#include <spillway/base/fault.hpp>
#include <spillway/base/time.hpp>
#include <spillway/config/usage.hpp>

struct sqlite3;

namespace spillway::ledger {

// Turns old records into sums by day, some thousand rows a step.
class sqlite_compaction {
public:
    // True: there is more to do.
    result<bool> step(sqlite3* db, wall_time now, const config::usage_retention& keep);

private:
    std::int64_t done_day_{-1};  // all days before it are summed; late records wait for the next day
};

}  // namespace spillway::ledger
