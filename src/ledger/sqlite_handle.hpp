#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <sqlite3.h>

#include <spillway/base/fault.hpp>

// Just enough around SQLite's C interface.
namespace spillway::ledger {

// Of "sqlite:/path".
inline std::string_view path_of_sqlite(std::string_view url) noexcept { return url.substr(url.find(':') + 1); }

struct sqlite_closer {
    void operator()(sqlite3* db) const noexcept { sqlite3_close(db); }
    void operator()(sqlite3_stmt* s) const noexcept { sqlite3_finalize(s); }
};
using sqlite_database = std::unique_ptr<sqlite3, sqlite_closer>;
using sqlite_statement = std::unique_ptr<sqlite3_stmt, sqlite_closer>;

// What the last call on `db` failed with; the code says whether a record or the store is to blame.
fault sqlite_fault(sqlite3* db, std::string_view doing);

std::optional<fault> sqlite_run(sqlite3* db, const char* sql);
// For statements that are used again and again.
result<sqlite_statement> sqlite_prepare(sqlite3* db, const char* sql);

inline void sqlite_bind(sqlite3_stmt* s, int at, std::string_view text) noexcept {
    sqlite3_bind_text(s, at, text.empty() ? "" : text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
}

// BEGIN IMMEDIATE, and a rollback unless committed.
class sqlite_transaction {
public:
    explicit sqlite_transaction(sqlite3* db) noexcept : db_(db) {}
    ~sqlite_transaction() {
        if (open_) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    }
    sqlite_transaction(const sqlite_transaction&) = delete;
    sqlite_transaction& operator=(const sqlite_transaction&) = delete;

    std::optional<fault> begin() {
        auto f = sqlite_run(db_, "BEGIN IMMEDIATE");
        open_ = !f;
        return f;
    }
    std::optional<fault> commit() {
        auto f = sqlite_run(db_, "COMMIT");
        if (!f) open_ = false;
        return f;
    }

private:
    sqlite3* db_;
    bool open_{false};
};

}  // namespace spillway::ledger
