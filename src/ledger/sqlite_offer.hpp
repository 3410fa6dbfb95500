#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <spillway/core/usage_record.hpp>

#include "sqlite_handle.hpp"
#include "sqlite_key.hpp"

namespace spillway::ledger {

struct sqlite_row {
    sqlite_key key;
    std::int64_t kind{0};
    const core::usage_record* record{nullptr};
};

// Records in memory as a table that SQLite can read, so that one statement inserts all of them: a statement for each
// record costs twice as much. Valid as long as its database is open; has to stay where it is.
class sqlite_offer {
public:
    // Adds the table, named `offered`, with the columns of `records`.
    std::optional<fault> attach(sqlite3* db);
    void rows(std::span<const sqlite_row> rows) noexcept { rows_ = rows; }

    // For the table's functions.
    std::span<const sqlite_row> rows() const noexcept { return rows_; }

private:
    std::span<const sqlite_row> rows_;
};

}  // namespace spillway::ledger
