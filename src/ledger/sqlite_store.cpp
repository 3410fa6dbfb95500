#include <algorithm>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "sqlite_compact.hpp"
#include "sqlite_handle.hpp"
#include "sqlite_key.hpp"
#include "sqlite_kinds.hpp"
#include "sqlite_schema.hpp"
#include "store.hpp"

namespace spillway::ledger {
namespace {

using core::usage_record;

constexpr int busy_ms = 5000;
constexpr std::uint64_t largest_number = std::uint64_t{1} << 50;  // so that sums of many never overflow

constexpr const char* insert_sql =
    "INSERT OR IGNORE INTO records(key, kind, time_us, facts, prompt_tokens, completion_tokens, price_nanos, "
    "cached_tokens, reasoning_tokens, audio_prompt_tokens, audio_completion_tokens, bytes_in, bytes_out, "
    "first_byte_us, "
    "token_us, duration_us, rest, request_id, end_user, code, tries) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)";
constexpr const char* rest_sql = "SELECT rest FROM records WHERE key = ?1";

std::int64_t bounded(std::uint64_t n) noexcept { return static_cast<std::int64_t>(std::min(n, largest_number)); }

std::int64_t facts_of(const usage_record& r) noexcept {
    return std::int64_t{r.status} | std::int64_t{static_cast<std::uint8_t>(r.outcome)} << 16 |
           std::int64_t{static_cast<std::uint8_t>(r.source)} << 20 | std::int64_t{r.streaming} << 24 |
           std::int64_t{r.priced} << 25 | std::int64_t{r.attempts} << 26;
}

// Where most records have nothing, nothing is stored.
void bind_detail(sqlite3_stmt* s, int at, std::uint64_t n) noexcept {
    if (n == 0) sqlite3_bind_null(s, at);
    else sqlite3_bind_int64(s, at, bounded(n));
}
void bind_detail(sqlite3_stmt* s, int at, std::string_view text) noexcept {
    if (text.empty()) sqlite3_bind_null(s, at);
    else sqlite_bind(s, at, text);
}

class sqlite_store final : public usage_store {
public:
    sqlite_store(sqlite_database db, sqlite_kinds kinds, sqlite_statement insert, sqlite_statement rest, int wal)
        : db_(std::move(db)),
          kinds_(std::move(kinds)),
          insert_(std::move(insert)),
          rest_(std::move(rest)),
          wal_(wal) {}
    ~sqlite_store() override {
        if (wal_ >= 0) ::close(wal_);
    }

    std::optional<fault> write(std::span<const usage_record> records) override {
        order_.clear();
        order_.reserve(records.size());
        for (const auto& r : records) order_.push_back({sqlite_key_of(r), &r});
        // Rows that come in their order go to the end of the table without a search.
        std::sort(order_.begin(), order_.end(), [](const place& a, const place& b) { return a.key.key < b.key.key; });
        sqlite_transaction transaction(db_.get());
        if (auto f = transaction.begin()) return f;
        for (const auto& p : order_) {
            if (auto f = insert(p)) {
                kinds_.forget();
                return f;
            }
        }
        auto f = transaction.commit();
        if (f) kinds_.forget();
        unsettled_ = true;
        return f;
    }

    // With synchronous=NORMAL a commit is written, but not waited for.
    std::optional<fault> settle() override {
        if (!unsettled_) return std::nullopt;
        if (wal_ >= 0 && ::fdatasync(wal_) != 0)
            return fault{store_away, origin::gateway, 503, true, "the usage database cannot be written to its disk"};
        unsettled_ = false;
        return std::nullopt;
    }

    result<bool> compact(wall_time now, const config::usage_retention& keep) override {
        return compaction_.step(db_.get(), now, keep);
    }

private:
    struct place {
        sqlite_key key;
        const usage_record* record;
    };

    std::optional<fault> insert(place p) {
        const auto kind = kinds_.number_of(*p.record);
        if (!kind) return kind.error();
        bind(p, *kind);
        for (std::int64_t tries = 0; tries <= sqlite_key_free_bits; ++tries) {
            sqlite3_bind_int64(insert_.get(), 1, p.key.key);
            const int done = sqlite3_step(insert_.get());
            sqlite3_reset(insert_.get());
            if (done != SQLITE_DONE) return sqlite_fault(db_.get(), "adding a record");
            if (sqlite3_changes(db_.get()) == 1 || is_there(p)) return std::nullopt;
            p.key.key = next_key(p.key.key);
        }
        return fault{record_refused, origin::gateway, 500, false, "too many records have nearly the same id"};
    }

    // Whether the row that has the place is this very record.
    bool is_there(const place& p) {
        sqlite3_bind_int64(rest_.get(), 1, p.key.key);
        bool same = false;
        if (sqlite3_step(rest_.get()) == SQLITE_ROW) {
            const auto& id = p.record->id.bytes;
            if (sqlite3_column_type(rest_.get(), 0) == SQLITE_BLOB)
                same = p.key.whole_id && sqlite3_column_bytes(rest_.get(), 0) == static_cast<int>(id.size()) &&
                       std::memcmp(sqlite3_column_blob(rest_.get(), 0), id.data(), id.size()) == 0;
            else same = !p.key.whole_id && sqlite3_column_int64(rest_.get(), 0) == p.key.rest;
        }
        sqlite3_reset(rest_.get());
        return same;
    }

    void bind(const place& p, std::int64_t kind) noexcept {
        sqlite3_stmt* const s = insert_.get();
        const usage_record& r = *p.record;
        sqlite3_bind_int64(s, 2, kind);
        sqlite3_bind_int64(s, 3, r.time_us);
        sqlite3_bind_int64(s, 4, facts_of(r));
        sqlite3_bind_int64(s, 5, bounded(r.tokens.prompt));
        sqlite3_bind_int64(s, 6, bounded(r.tokens.completion));
        sqlite3_bind_int64(s, 7, std::clamp(r.price_nanos, -bounded(largest_number), bounded(largest_number)));
        bind_detail(s, 8, r.tokens.cached);
        bind_detail(s, 9, r.tokens.reasoning);
        bind_detail(s, 10, r.tokens.audio_prompt);
        bind_detail(s, 11, r.tokens.audio_completion);
        sqlite3_bind_int64(s, 12, bounded(r.bytes_in));
        sqlite3_bind_int64(s, 13, bounded(r.bytes_out));
        sqlite3_bind_int64(s, 14, r.first_byte_us);
        sqlite3_bind_int64(s, 15, r.token_us);
        sqlite3_bind_int64(s, 16, bounded(r.duration_us));
        if (p.key.whole_id)
            sqlite3_bind_blob(s, 17, r.id.bytes.data(), static_cast<int>(r.id.bytes.size()), SQLITE_STATIC);
        else sqlite3_bind_int64(s, 17, p.key.rest);
        bind_detail(s, 18, r.request_id);
        bind_detail(s, 19, r.end_user);
        bind_detail(s, 20, r.code);
        bind_detail(s, 21, r.tries_json);
    }

    sqlite_database db_;
    sqlite_kinds kinds_;
    sqlite_statement insert_, rest_;
    sqlite_compaction compaction_;
    std::vector<place> order_;
    int wal_;
    bool unsettled_{false};
};

result<std::size_t> version_of(sqlite3* db) {
    auto s = sqlite_prepare(db, "PRAGMA user_version");
    if (!s) return s.error();
    if (sqlite3_step(s->get()) != SQLITE_ROW) return sqlite_fault(db, "reading the version");
    return static_cast<std::size_t>(sqlite3_column_int64(s->get(), 0));
}

std::optional<fault> migrate(sqlite3* db) {
    auto version = version_of(db);
    if (version && *version == sqlite_migrations.size()) return std::nullopt;
    sqlite_transaction transaction(db);
    if (auto f = transaction.begin()) return f;
    version = version_of(db);  // another process may have been first
    if (!version) return version.error();
    if (*version > sqlite_migrations.size())
        return fault{store_away, origin::gateway, 503, false, "a later version of Spillway made the usage database"};
    for (auto step = *version; step < sqlite_migrations.size(); ++step)
        if (auto f = sqlite_run(db, sqlite_migrations[step])) return f;
    const auto done = "PRAGMA user_version = " + std::to_string(sqlite_migrations.size());
    if (auto f = sqlite_run(db, done.c_str())) return f;
    return transaction.commit();
}

}  // namespace

result<std::unique_ptr<usage_store>> open_sqlite(std::string_view path) {
    const std::string name(path);
    // SQLite itself would let everybody read it.
    if (const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640); fd >= 0) ::close(fd);
    sqlite3* raw = nullptr;
    const int opened = sqlite3_open_v2(name.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    sqlite_database db(raw);
    if (opened != SQLITE_OK) return sqlite_fault(raw, "opening " + name);
    sqlite3_busy_timeout(raw, busy_ms);
    if (auto f =
            sqlite_run(raw, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=4000"))
        return *f;
    if (auto f = migrate(raw)) return *f;
    auto kinds = sqlite_kinds::open(raw);
    if (!kinds) return kinds.error();
    auto insert = sqlite_prepare(raw, insert_sql);
    if (!insert) return insert.error();
    auto rest = sqlite_prepare(raw, rest_sql);
    if (!rest) return rest.error();
    const int wal = ::open((name + "-wal").c_str(), O_RDWR | O_CLOEXEC);
    return std::unique_ptr<usage_store>(
        new sqlite_store(std::move(db), std::move(*kinds), std::move(*insert), std::move(*rest), wal));
}

}  // namespace spillway::ledger
