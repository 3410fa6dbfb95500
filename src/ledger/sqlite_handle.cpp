#include "sqlite_handle.hpp"

#include "store.hpp"

namespace spillway::ledger {

namespace {

// What a trigger says may hold what the record says.
std::string_view words_of(sqlite3* db) {
    if (sqlite3_extended_errcode(db) == SQLITE_CONSTRAINT_TRIGGER) return "a trigger refuses it";
    return sqlite3_errmsg(db);
}

}  // namespace

fault sqlite_fault(sqlite3* db, std::string_view doing) {
    std::string_view code = store_away;
    switch (sqlite3_errcode(db) & 0xff) {
        case SQLITE_TOOBIG:
        case SQLITE_CONSTRAINT:
        case SQLITE_MISMATCH: code = record_refused; break;
        default: break;
    }
    return {code, origin::gateway, 503, "SQLite, " + std::string(doing) + ": " + std::string(words_of(db))};
}

std::optional<fault> sqlite_run(sqlite3* db, const char* sql) {
    if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return std::nullopt;
    return sqlite_fault(db, std::string_view(sql).substr(0, std::string_view(sql).find('\n')));
}

result<sqlite_statement> sqlite_prepare(sqlite3* db, const char* sql) {
    sqlite3_stmt* s = nullptr;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, nullptr) != SQLITE_OK)
        return sqlite_fault(db, "preparing a statement");
    return sqlite_statement(s);
}

}  // namespace spillway::ledger
