#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <spillway/base/fault.hpp>
#include <spillway/base/time.hpp>
#include <spillway/config/usage.hpp>
#include <spillway/core/usage_record.hpp>

namespace spillway::ledger {

// Texts of a record that clients and backends choose.
inline constexpr std::array chosen_texts{&core::usage_record::end_user, &core::usage_record::deployment,
                                         &core::usage_record::model};

// The store can be reached but refuses these records. Whether a record is to blame, or something that meets every
// record (a constraint, a trigger), offering finds out. Any other code means that the store is away, locked or full,
// and that the same records are offered again.
inline constexpr std::string_view record_refused = "usage_record_refused";
inline constexpr std::string_view store_away = "usage_store_away";

// Where records end up. For one thread; may block.
class usage_store {
public:
    virtual ~usage_store() = default;
    // All or nothing; a record whose id is there already is left as it is, so offering twice is harmless.
    virtual std::optional<fault> write(std::span<const core::usage_record> records) = 0;
    // Whether write() would take this record, whose id is new; leaves nothing behind.
    virtual std::optional<fault> try_out(const core::usage_record& control) = 0;
    // Whether it can be reached now: asked after an outage when there is nothing to write.
    virtual std::optional<fault> reach() { return {}; }
    // What write() took survives a power loss from here on. Called about once a second.
    virtual std::optional<fault> settle() { return {}; }
    // Sums days that are older than keep.records by day and deletes what is too old, a bounded number of rows a call.
    // True: there is more to do.
    virtual result<bool> compact(wall_time now, const config::usage_retention& keep) = 0;
};

#define SPILLWAY_STORE(prefix, example, takes_password, name) \
    result<std::unique_ptr<usage_store>> open_##name(const std::string& url, const std::string& password);
#include "stores.inc"
#undef SPILLWAY_STORE

// By what the URL begins with; stores.inc lists the kinds.
result<std::unique_ptr<usage_store>> open_store(const std::string& url, const std::string& password);

}  // namespace spillway::ledger
