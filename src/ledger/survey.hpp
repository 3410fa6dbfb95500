#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "checkpoint.hpp"
#include "folder.hpp"
#include "segment.hpp"

// Reading what lies in the spool's folder, of any owner.
namespace spillway::ledger {

inline constexpr std::string_view sums_suffix = ".sums", frames_suffix = ".frames", spare_suffix = ".spare";

struct scanned {
    std::uint32_t end{segment::head_bytes};  // of the last whole frame
    std::uint64_t records{0};
};
// Goes over the frames from `begin` until the end or the first torn one.
scanned scan(const segment& s, std::uint32_t begin, const std::function<void(std::span<const std::byte>)>& each);

// The furthest position counts: an owner that took a segment over goes on where the one before stopped.
void join(positions_by_segment& into, const positions_by_segment& more);

using checkpoints = std::map<std::string, checkpoint, std::less<>>;  // by owner

// The checkpoints that count: those that another one has merged are left out. Damaged files are named to `damaged`.
checkpoints load_checkpoints(const folder& f, const std::function<void(const std::string&)>& damaged);

// All that was ever booked here and belongs to periods that may still run, also by processes that are at work now.
spending spent_in(const folder& f);

}  // namespace spillway::ledger
