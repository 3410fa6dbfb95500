#include <algorithm>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sqlite_compact.hpp"
#include "sqlite_handle.hpp"
#include "sqlite_key.hpp"
#include "sqlite_kinds.hpp"
#include "sqlite_offer.hpp"
#include "sqlite_schema.hpp"
#include "store.hpp"

namespace spillway::ledger {
namespace {

using core::usage_record;

constexpr int busy_ms = 5000;
// Large pages: each is one write to the log and one to the database. The log goes into the database at 16 MB.
constexpr const char* settings_sql =
    "PRAGMA page_size=16384; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=1000; "
    "PRAGMA cache_size=-4000";
// What has its place already, or whose place another record has, is passed over and looked at afterwards.
constexpr const char* insert_sql = "INSERT OR IGNORE INTO records SELECT * FROM offered";
constexpr const char* rest_sql = "SELECT rest FROM records WHERE key = ?1";

// Which file a path leads to. SQLite goes on writing into a file that has lost its name, and reports no error.
class file_place {
public:
    explicit file_place(std::string path) : path_(std::move(path)) { there_ = ::stat(path_.c_str(), &seen_) == 0; }
    bool still_there() const noexcept {
        struct stat now {};
        return there_ && ::stat(path_.c_str(), &now) == 0 && now.st_dev == seen_.st_dev && now.st_ino == seen_.st_ino;
    }

private:
    std::string path_;
    struct stat seen_ {};
    bool there_{false};
};

class sqlite_store final : public usage_store {
public:
    sqlite_store(std::unique_ptr<sqlite_offer> offer, sqlite_database db, sqlite_kinds kinds, sqlite_statement insert,
                 sqlite_statement rest, int wal, file_place at)
        : offer_(std::move(offer)),
          db_(std::move(db)),
          kinds_(std::move(kinds)),
          insert_(std::move(insert)),
          rest_(std::move(rest)),
          wal_(wal),
          at_(std::move(at)) {}
    ~sqlite_store() override {
        if (wal_ >= 0) ::close(wal_);
    }

    std::optional<fault> write(std::span<const usage_record> records) override {
        if (!at_.still_there()) return moved_away();
        sqlite_transaction transaction(db_.get());
        if (auto f = transaction.begin()) return f;
        auto f = insert_all(records);
        if (!f) f = transaction.commit();
        if (f) kinds_.forget();
        unsettled_ = true;
        return f;
    }

    std::optional<fault> try_out(const usage_record& control) override {
        if (!at_.still_there()) return moved_away();
        std::optional<fault> f;
        {
            sqlite_transaction never_committed(db_.get());
            f = never_committed.begin();
            if (!f) f = insert_all({&control, 1});
        }
        kinds_.forget();
        return f;
    }

    // With synchronous=NORMAL a commit is written, but not waited for.
    std::optional<fault> settle() override {
        if (!unsettled_) return std::nullopt;
        if (wal_ >= 0 && ::fdatasync(wal_) != 0)
            return fault{store_away, origin::gateway, 503, "the usage database cannot be written to its disk"};
        unsettled_ = false;
        return std::nullopt;
    }

    result<bool> compact(wall_time now, const config::usage_retention& keep) override {
        return compaction_.step(db_.get(), now, keep);
    }

private:
    static fault moved_away() {
        return {store_away, origin::gateway, 503, "the usage database was removed or moved away"};
    }

    std::optional<fault> insert_all(std::span<const usage_record> records) {
        rows_.clear();
        rows_.reserve(records.size());
        for (const auto& r : records) {
            const auto kind = kinds_.number_of(r);
            if (!kind) return kind.error();
            rows_.push_back({sqlite_key_of(r), *kind, &r});
        }
        // Rows that come in their order go to the end of the table.
        const auto before = [](const sqlite_row& a, const sqlite_row& b) { return a.key.key < b.key.key; };
        if (!std::is_sorted(rows_.begin(), rows_.end(), before)) std::sort(rows_.begin(), rows_.end(), before);
        const auto added = insert(rows_);
        if (!added) return added.error();
        if (*added == rows_.size()) return std::nullopt;
        for (const auto& row : rows_)
            if (auto f = ensure(row)) return f;
        return std::nullopt;
    }

    // How many of them had a free place.
    result<std::size_t> insert(std::span<const sqlite_row> rows) {
        if (rows.empty()) return std::size_t{0};
        offer_->rows(rows);
        const int done = sqlite3_step(insert_.get());
        sqlite3_reset(insert_.get());
        offer_->rows({});
        if (done != SQLITE_DONE) return sqlite_fault(db_.get(), "adding records");
        return static_cast<std::size_t>(sqlite3_changes(db_.get()));
    }

    // Finds a record, or the next free place for it.
    std::optional<fault> ensure(sqlite_row row) {
        for (std::int64_t tries = 0; tries <= sqlite_key_free_bits; ++tries) {
            if (is_there(row)) return std::nullopt;
            const auto added = insert({&row, 1});
            if (!added) return added.error();
            if (*added == 1) return std::nullopt;
            row.key.key = next_key(row.key.key);
        }
        return fault{record_refused, origin::gateway, 500, "too many records have nearly the same id"};
    }

    // Whether the row that has the place is this very record.
    bool is_there(const sqlite_row& row) {
        sqlite3_bind_int64(rest_.get(), 1, row.key.key);
        bool same = false;
        if (sqlite3_step(rest_.get()) == SQLITE_ROW) {
            const auto& id = row.record->id.bytes;
            if (sqlite3_column_type(rest_.get(), 0) == SQLITE_BLOB)
                same = row.key.whole_id && sqlite3_column_bytes(rest_.get(), 0) == static_cast<int>(id.size()) &&
                       std::memcmp(sqlite3_column_blob(rest_.get(), 0), id.data(), id.size()) == 0;
            else same = !row.key.whole_id && sqlite3_column_int64(rest_.get(), 0) == row.key.rest;
        }
        sqlite3_reset(rest_.get());
        return same;
    }

    std::unique_ptr<sqlite_offer> offer_;  // goes after the database, which reads it
    sqlite_database db_;
    sqlite_kinds kinds_;
    sqlite_statement insert_, rest_;
    sqlite_compaction compaction_;
    std::vector<sqlite_row> rows_;
    int wal_;
    file_place at_;
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
        return fault{store_away, origin::gateway, 503, "a later version of Spillway made the usage database"};
    for (auto step = *version; step < sqlite_migrations.size(); ++step)
        if (auto f = sqlite_run(db, sqlite_migrations[step])) return f;
    const auto done = "PRAGMA user_version = " + std::to_string(sqlite_migrations.size());
    if (auto f = sqlite_run(db, done.c_str())) return f;
    return transaction.commit();
}

}  // namespace

result<std::unique_ptr<usage_store>> open_sqlite(const std::string& url, const std::string& /*password*/) {
    const std::string_view path = path_of_sqlite(url);
    const std::string name(path);
    // SQLite itself would let all users read it.
    if (const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640); fd >= 0) ::close(fd);
    sqlite3* raw = nullptr;
    const int opened = sqlite3_open_v2(name.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    sqlite_database db(raw);
    if (opened != SQLITE_OK) return sqlite_fault(raw, "opening " + name);
    sqlite3_busy_timeout(raw, busy_ms);
    if (auto f = sqlite_run(raw, settings_sql)) return *f;
    if (auto f = migrate(raw)) return *f;
    auto offer = std::make_unique<sqlite_offer>();
    if (auto f = offer->attach(raw)) return *f;
    auto kinds = sqlite_kinds::open(raw);
    if (!kinds) return kinds.error();
    auto insert = sqlite_prepare(raw, insert_sql);
    if (!insert) return insert.error();
    auto rest = sqlite_prepare(raw, rest_sql);
    if (!rest) return rest.error();
    const int wal = ::open((name + "-wal").c_str(), O_RDWR | O_CLOEXEC);
    return std::unique_ptr<usage_store>(new sqlite_store(std::move(offer), std::move(db), std::move(*kinds),
                                                         std::move(*insert), std::move(*rest), wal,
                                                         file_place(name)));
}

}  // namespace spillway::ledger
