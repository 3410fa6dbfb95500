#include <string>

#include <spillway/ledger/usage_report.hpp>

#include "postgresql.hpp"
#include "postgresql_schema.hpp"
#include "sqlite_handle.hpp"
#include "sqlite_schema.hpp"
#include "store.hpp"

// Takes out of a store what cannot be.
namespace spillway::ledger {
namespace {

// A store of years is read through.
constexpr duration answer_within = minutes(30);
constexpr int wait_ms = 10'000;  // for a gateway that writes

std::string none_for_sqlite(bool days) {
    const std::string most = std::to_string(core::most_tokens) + (days ? " * requests" : "");
    return std::string("UPDATE ") + (days ? "days" : "records") + " SET prompt_tokens = 0, completion_tokens = 0, " +
           (days ? "cached_tokens = 0, reasoning_tokens = 0, audio_prompt_tokens = 0, audio_completion_tokens = 0, "
                 : "parts = 0, audio = 0, ") +
           "price_nanos = 0 WHERE prompt_tokens > " + most + " OR completion_tokens > " + most +
           " OR price_nanos < 0";
}

result<repaired> repair_sqlite(const std::string& path) {
    sqlite3* raw = nullptr;
    const int opened = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    const sqlite_database db(raw);
    if (opened != SQLITE_OK) return fault{store_away, origin::gateway, 500, path + ": " + sqlite3_errstr(opened)};
    sqlite3_busy_timeout(raw, wait_ms);
    sqlite_transaction all(raw);
    if (auto f = all.begin()) return *f;
    repaired out;
    for (const bool days : {false, true}) {
        if (auto f = sqlite_run(raw, none_for_sqlite(days).c_str())) return *f;
        (days ? out.days : out.records) = static_cast<std::uint64_t>(sqlite3_changes64(raw));
    }
    if (auto f = all.commit()) return *f;
    return out;
}

std::string none_for_postgresql(bool days) {
    return "WITH changed AS (UPDATE " + std::string(days ? "usage_days" : "usage_records") +
           " SET prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0, reasoning_tokens = 0, "
           "audio_prompt_tokens = 0, audio_completion_tokens = 0, price = CASE WHEN price IS NULL THEN NULL ELSE 0 "
           "END WHERE " +
           postgresql::cannot_be(days) + " RETURNING 1) SELECT count(*) FROM changed";
}

result<repaired> repair_postgresql(const std::string& url, const std::string& password) {
    const auto settings = postgresql::read_url(url, password, answer_within);
    if (!settings) return settings.error();
    auto to = postgresql::connection::open(*settings);
    if (!to) return to.error();
    repaired out;
    for (const bool days : {false, true}) {
        const auto changed = (*to)->run(none_for_postgresql(days).c_str());
        if (!changed) return changed.error();
        (days ? out.days : out.records) = static_cast<std::uint64_t>(changed->number(0, 0));
    }
    return out;
}

}  // namespace

result<repaired> repair_usage(const std::string& url, const std::string& password) {
    // Also says what is no store, and what is none of this program's.
    if (const auto readable = open_usage_reader(url, password); !readable) return readable.error();
    constexpr std::string_view sqlite = "sqlite:";
    if (url.starts_with(sqlite)) return repair_sqlite(url.substr(sqlite.size()));
    return repair_postgresql(url, password);
}

}  // namespace spillway::ledger
