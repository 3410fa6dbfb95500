#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "spending.hpp"

namespace spillway::ledger {

using positions_by_segment = std::map<std::string, std::uint32_t, std::less<>>;

// What an owner's OWNER.sums says: the sums of what was carried into the store, and up to where in each segment. What
// lies behind is to be added from the frames themselves, so that sums are exact after whatever crash:
//   - a frame is in the sums of exactly one file, or behind the position of its segment;
//   - a segment is removed only when a saved checkpoint has all of it;
//   - an owner taking over another adds its sums to its own and names it in `merged` in one save; the other's file
//     counts no more from then on, whether it is still there or not.
struct checkpoint {
    std::set<std::string, std::less<>> merged;
    positions_by_segment positions;
    spending sums;
};

std::string to_bytes(const checkpoint& c);
// None: not such a file, or damaged.
std::optional<checkpoint> from_bytes(std::string_view bytes);

}  // namespace spillway::ledger
