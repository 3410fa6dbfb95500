#include "sqlite_kinds.hpp"

#include <array>
#include <cstring>

#include "crc32c.hpp"

namespace spillway::ledger {
namespace {

using core::usage_record;

// As in the statements below.
constexpr std::array names_of_kind{&usage_record::gateway,  &usage_record::client,   &usage_record::labels_json,
                                   &usage_record::route,    &usage_record::pool,     &usage_record::backend,
                                   &usage_record::instance, &usage_record::region,   &usage_record::deployment,
                                   &usage_record::model,    &usage_record::operation};
static_assert(names_of_kind.size() == sqlite_kinds::names);

constexpr const char* find_sql =
    "SELECT kind FROM kinds WHERE gateway = ?1 AND client = ?2 AND labels = ?3 AND route = ?4 AND pool = ?5 AND "
    "backend = ?6 AND instance = ?7 AND region = ?8 AND deployment = ?9 AND model = ?10 AND operation = ?11";
constexpr const char* add_sql =
    "INSERT INTO kinds(gateway, client, labels, route, pool, backend, instance, region, deployment, model, "
    "operation) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

// Clients choose some of the names, so their number has no bound of its own.
constexpr std::size_t most_remembered = 20'000;

void bind_names(sqlite3_stmt* s, const usage_record& r) {
    int at = 0;
    for (const auto name : names_of_kind) sqlite_bind(s, ++at, r.*name);
}

// The texts one after the other. In a frame of the spool they lie so already and need no copy.
std::string_view texts_of(const usage_record& r, std::string& room) {
    const char* const begin = r.gateway.data();
    const char* end = begin;
    bool in_a_row = true;
    std::size_t total = 0;
    for (const auto name : names_of_kind) {
        const std::string_view s = r.*name;
        in_a_row = in_a_row && s.data() == end;
        end += s.size();
        total += s.size();
    }
    if (in_a_row) return {begin, total};
    room.clear();
    for (const auto name : names_of_kind) room += r.*name;
    return room;
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

// The lengths belong to the key, so that no two lists of names look the same.
result<std::int64_t> sqlite_kinds::remembered(const usage_record& r, const lengths& sizes, std::string_view texts) {
    key_.assign(reinterpret_cast<const char*>(sizes.data()), sizeof sizes);
    key_ += texts;
    if (const auto it = numbers_.find(std::string_view(key_)); it != numbers_.end()) return it->second;
    auto number = look_up(r);
    if (!number) return number;
    if (numbers_.size() >= most_remembered) numbers_.clear();
    numbers_.emplace(key_, *number);
    return number;
}

result<std::int64_t> sqlite_kinds::number_of(const usage_record& r) {
    const auto texts = texts_of(r, texts_);
    lengths sizes;
    for (std::size_t i = 0; i < names; ++i) sizes[i] = static_cast<std::uint32_t>((r.*names_of_kind[i]).size());
    auto& place = latest_[crc32c(texts.data(), texts.size()) % latest_places];
    if (place.number != 0 && place.sizes == sizes && place.texts == texts) return place.number;
    auto number = remembered(r, sizes, texts);
    if (number) {
        place.number = *number;
        place.sizes = sizes;
        place.texts = texts;
    }
    return number;
}

}  // namespace spillway::ledger
