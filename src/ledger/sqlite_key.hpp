#pragma once

#include <cstdint>

#include <spillway/core/usage_record.hpp>

namespace spillway::ledger {

// Where a record lies in table records. A version 7 id whose time is about the record's own gives the key all that is
// not in `rest`, the id's last 8 bytes; other ids are kept whole and get their place by the record's time. The lowest
// bits are free for records that would have the same key.
struct sqlite_key {
    std::int64_t key{0};
    std::int64_t rest{0};
    bool whole_id{false};  // the id is stored instead of `rest`
};
sqlite_key sqlite_key_of(const core::usage_record& r) noexcept;

inline constexpr std::int64_t sqlite_key_free_bits = 0x1ff;
// The next place for a record whose place is taken by another one. Comes round after 512.
constexpr std::int64_t next_key(std::int64_t key) noexcept {
    return (key & ~sqlite_key_free_bits) | ((key + 1) & sqlite_key_free_bits);
}

}  // namespace spillway::ledger
