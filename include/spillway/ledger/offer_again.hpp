#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <spillway/base/fault.hpp>

// Records that a store refused once and that were set aside, offered to it again. Also while a gateway writes.
namespace spillway::ledger {

struct offered_again {
    std::uint64_t taken{0};       // in the store now, or were there already; their lines are gone
    std::uint64_t refused{0};     // once more: their lines stay
    std::uint64_t unreadable{0};  // lines that hold no record which this version knows: they stay
    std::string reason;           // of the last refusal
};

// The files in the folder of a spool.
std::vector<std::string> set_aside_in(const std::string& spool);

// A record that is in the store already stays as it is there. Fault: the store is away or refuses every record, or a
// file cannot be read or written; `so_far` counts what was done before.
std::optional<fault> offer_again(const std::vector<std::string>& files, const std::string& url,
                                 const std::string& password, offered_again& so_far);

}  // namespace spillway::ledger
