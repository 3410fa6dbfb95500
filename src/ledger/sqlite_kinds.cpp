#include "sqlite_kinds.hpp"

#include <array>
#include <cstring>

namespace spillway::ledger {
namespace {

using core::usage_record;

// As in the statements below.
constexpr std::array names{&usage_record::gateway,  &usage_record::client,   &usage_record::labels_json,
                           &usage_record::route,    &usage_record::pool,     &usage_record::backend,
                           &usage_record::instance, &usage_record::region,   &usage_record::deployment,
                           &usage_record::model,    &usage_record::operation};

constexpr const char* find_sql =
    "SELECT kind FROM kinds WHERE gateway = ?1 AND client = ?2 AND labels = ?3 AND route = ?4 AND pool = ?5 AND "
    "backend = ?6 AND instance = ?7 AND region = ?8 AND deployment = ?9 AND model = ?10 AND operation = ?11";
constexpr const char* add_sql =
    "INSERT INTO kinds(gateway, client, labels, route, pool, backend, instance, region, deployment, model, "
    "operation) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

// Clients choose some of the names, so their number has no bound of its own.
constexpr std::size_t remembered = 20'000;

void bind_names(sqlite3_stmt* s, const usage_record& r) {
    int at = 0;
    for (const auto name : names) sqlite_bind(s, ++at, r.*name);
}

// Lengths first, so that no two lists of names look the same.
void make_key(const usage_record& r, std::string& out) {
    std::array<std::uint32_t, names.size()> lengths;
    std::size_t total = sizeof lengths;
    for (std::size_t i = 0; i < names.size(); ++i) {
        lengths[i] = static_cast<std::uint32_t>((r.*names[i]).size());
        total += lengths[i];
    }
    out.resize(total);
    std::memcpy(out.data(), lengths.data(), sizeof lengths);
    char* at = out.data() + sizeof lengths;
    for (const auto name : names) {
        const std::string_view s = r.*name;
        if (!s.empty()) std::memcpy(at, s.data(), s.size());
        at += s.size();
    }
}

}  // namespace

result<sqlite_kinds> sqlite_kinds::open(sqlite3* db) {
    auto find = sqlite_prepare(db, find_sql);
    if (!find) return find.error();
    auto add = sqlite_prepare(db, add_sql);
    if (!add) return add.error();
    return sqlite_kinds(db, std::move(*find), std::move(*add));
}

result<std::int64_t> sqlite_kinds::look_up(const usage_record& r) {
    bind_names(find_.get(), r);
    const int found = sqlite3_step(find_.get());
    const std::int64_t number = sqlite3_column_int64(find_.get(), 0);
    sqlite3_reset(find_.get());
    if (found == SQLITE_ROW) return number;
    bind_names(add_.get(), r);
    const int added = sqlite3_step(add_.get());
    sqlite3_reset(add_.get());
    if (found != SQLITE_DONE || added != SQLITE_DONE) return sqlite_fault(db_, "adding names");
    return sqlite3_last_insert_rowid(db_);
}

result<std::int64_t> sqlite_kinds::number_of(const usage_record& r) {
    make_key(r, key_);
    if (const auto it = numbers_.find(std::string_view(key_)); it != numbers_.end()) return it->second;
    auto number = look_up(r);
    if (!number) return number;
    if (numbers_.size() >= remembered) numbers_.clear();
    numbers_.emplace(key_, *number);
    return number;
}

}  // namespace spillway::ledger
