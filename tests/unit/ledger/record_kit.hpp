#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <sqlite3.h>
#include <unistd.h>
#include <spillway/core/usage_record.hpp>

namespace spillway::ledger {

inline constexpr std::int64_t noon_us = 1'795'694'400'000'000;  // 2026-11-26T12:00:00Z

// The n-th record of a test: its id, time and tokens follow from n.
inline core::usage_record record_of(std::uint64_t n, std::int64_t time_us = noon_us) {
    core::usage_record r;
    r.time_us = time_us + static_cast<std::int64_t>(n);
    r.id = core::make_record_id(static_cast<std::uint64_t>(r.time_us / 1000), n * 7919, n * 104729 + 17);
    r.gateway = "gateway-1";
    r.client = n % 2 == 0 ? "search" : "chat";
    r.labels_json = R"({"cost_centre":"4711","team":"research"})";
    r.request_id = "5f0c9c3e-9c5e-4b7e-8a54-0d2f3f1b2a11";
    r.route = "default";
    r.pool = "gpt-4o";
    r.backend = "sweden-1";
    r.instance = "spillway-swe-01";
    r.region = "swedencentral";
    r.deployment = "gpt-4o";
    r.model = "gpt-4o-2024-11-20";
    r.operation = "chat/completions";
    r.status = 200;
    r.attempts = 1;
    r.source = core::token_source::exact;
    r.streaming = n % 3 == 0;
    r.tokens = {100 + n, 10, n % 5, 0, 0, 0};
    r.bytes_in = 2345;
    r.bytes_out = 6789;
    r.first_byte_us = 123'456;
    r.duration_us = 3'456'789;
    r.token_us = 12'345;
    r.price_nanos = static_cast<std::int64_t>(1000 * n + 1);
    r.priced = true;
    return r;
}

// A folder for one test, gone with it.
class temporary_folder {
public:
    temporary_folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "spillway-ledger-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~temporary_folder() {
        std::error_code ec;
        std::filesystem::remove_all(path_, ec);
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    std::string operator/(const std::string& name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

// The first column of the first row, as text.
inline std::string sqlite_answer(const std::string& path, const std::string& sql) {
    sqlite3* db = nullptr;
    sqlite3_stmt* s = nullptr;
    std::string out;
    if (sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr) != SQLITE_OK ||
        sqlite3_prepare_v2(db, sql.c_str(), -1, &s, nullptr) != SQLITE_OK)
        out = sqlite3_errmsg(db);
    else if (sqlite3_step(s) == SQLITE_ROW)
        if (const auto* text = sqlite3_column_text(s, 0)) out = reinterpret_cast<const char*>(text);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return out;
}

}  // namespace spillway::ledger
