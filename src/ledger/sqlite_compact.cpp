#include "sqlite_compact.hpp"

#include <chrono>

#include "sqlite_handle.hpp"

namespace spillway::ledger {
namespace {

constexpr std::int64_t microseconds_a_day = 86'400'000'000, milliseconds_a_day = 86'400'000;

// ?1: keys below, ?2: times below
constexpr const char* last_sql =
    "SELECT max(key) FROM (SELECT key FROM records WHERE key < ?1 AND (key >> 21) * 1000 + late < ?2 ORDER BY key "
    "LIMIT 5000)";
// ?1: keys up to, ?2: times below
constexpr const char* sum_sql =
    "INSERT INTO days SELECT ((key >> 21) * 1000 + late) / 86400000000, facts >> 34, (facts >> 16) & 15, "
    "(facts >> 20) & 15, count(*), sum((facts >> 24) & 1), sum((facts >> 26) & 255), sum(prompt_tokens), "
    "sum(completion_tokens), sum(parts & 0x7fffffff), sum(parts >> 31), sum(audio & 0x7fffffff), sum(audio >> 31), "
    "sum(traffic & 0x7fffffff), sum(traffic >> 31), sum(duration_us), sum(price_nanos) "
    "FROM records WHERE key <= ?1 AND (key >> 21) * 1000 + late < ?2 GROUP BY 1, 2, 3, 4 "
    "ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, streaming = streaming + excluded.streaming, "
    "attempts = attempts + excluded.attempts, prompt_tokens = prompt_tokens + excluded.prompt_tokens, "
    "completion_tokens = completion_tokens + excluded.completion_tokens, "
    "cached_tokens = cached_tokens + excluded.cached_tokens, "
    "reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens, "
    "audio_prompt_tokens = audio_prompt_tokens + excluded.audio_prompt_tokens, "
    "audio_completion_tokens = audio_completion_tokens + excluded.audio_completion_tokens, "
    "bytes_in = bytes_in + excluded.bytes_in, bytes_out = bytes_out + excluded.bytes_out, "
    "duration_us = duration_us + excluded.duration_us, price_nanos = price_nanos + excluded.price_nanos";
constexpr const char* delete_sql = "DELETE FROM records WHERE key <= ?1 AND (key >> 21) * 1000 + late < ?2";
// ?1: days below
constexpr const char* forget_sql =
    "DELETE FROM days WHERE (day, kind, outcome, source) IN "
    "(SELECT day, kind, outcome, source FROM days WHERE day < ?1 LIMIT 5000)";

std::int64_t day_before(wall_time now, duration age) {
    return std::chrono::floor<std::chrono::days>(now - std::chrono::duration_cast<wall_clock::duration>(age))
        .time_since_epoch()
        .count();
}

std::optional<fault> run(sqlite3* db, const char* sql, std::int64_t first, std::int64_t second) {
    auto s = sqlite_prepare(db, sql);
    if (!s) return s.error();
    sqlite3_bind_int64(s->get(), 1, first);
    sqlite3_bind_int64(s->get(), 2, second);
    if (sqlite3_step(s->get()) != SQLITE_DONE) return sqlite_fault(db, "summing old days");
    return std::nullopt;
}

}  // namespace

result<bool> sqlite_compaction::step(sqlite3* db, wall_time now, const config::usage_retention& keep) {
    const auto records_from = day_before(now, keep.records);
    sqlite_transaction transaction(db);
    if (records_from != done_day_) {
        if (auto f = transaction.begin()) return *f;
        auto last = sqlite_prepare(db, last_sql);
        if (!last) return last.error();
        sqlite3_bind_int64(last->get(), 1, (records_from + 1) * milliseconds_a_day << 21);
        sqlite3_bind_int64(last->get(), 2, records_from * microseconds_a_day);
        if (sqlite3_step(last->get()) != SQLITE_ROW) return sqlite_fault(db, "looking for old days");
        const bool some = sqlite3_column_type(last->get(), 0) != SQLITE_NULL;
        const auto key = sqlite3_column_int64(last->get(), 0);
        last->reset();
        if (some) {
            if (auto f = run(db, sum_sql, key, records_from * microseconds_a_day)) return *f;
            if (auto f = run(db, delete_sql, key, records_from * microseconds_a_day)) return *f;
            if (auto f = transaction.commit()) return *f;
            return true;
        }
        if (auto f = transaction.commit()) return *f;
        done_day_ = records_from;
    }
    if (auto f = run(db, forget_sql, day_before(now, keep.days), 0)) return *f;
    return sqlite3_changes(db) > 0;
}

}  // namespace spillway::ledger
