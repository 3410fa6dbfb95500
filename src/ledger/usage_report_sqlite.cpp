#include <sqlite3.h>

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include <spillway/base/percent.hpp>

#include "sqlite_handle.hpp"
#include "sqlite_schema.hpp"
#include "store.hpp"
#include "usage_report.hpp"
#include "usage_summing.hpp"

namespace spillway::ledger {
namespace {

struct statement_delete {
    void operator()(sqlite3_stmt* s) const noexcept { sqlite3_finalize(s); }
};
using statement = std::unique_ptr<sqlite3_stmt, statement_delete>;
struct database_delete {
    void operator()(sqlite3* d) const noexcept { sqlite3_close_v2(d); }
};
using database = std::unique_ptr<sqlite3, database_delete>;

std::string_view text_at(sqlite3_stmt* s, int column) noexcept {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(s, column));
    return text == nullptr ? std::string_view{} : std::string_view(text, sqlite3_column_bytes(s, column));
}

// Order of the texts of `kinds` in select_kinds.
constexpr const char* select_kinds =
    "SELECT kind, client, pool, backend, instance, region, deployment, model, operation, route, gateway, labels "
    "FROM kinds";

// The keys that records of this period can have, see sqlite_schema.hpp.
std::pair<std::int64_t, std::int64_t> key_range(const usage_query& q) noexcept {
    const auto key = [](std::int64_t us, std::int64_t more_ms) {
        return std::clamp<std::int64_t>(us / 1000 + more_ms, 0, (1LL << 42) - 1) << 21;
    };
    return {q.from_us ? key(*q.from_us, -86'400'000) : INT64_MIN, q.to_us ? key(*q.to_us, 86'400'000) : INT64_MAX};
}

class sqlite_reader final : public usage_reader {
public:
    static result<std::unique_ptr<usage_reader>> open(std::string_view path);

    result<usage_report> sum(const usage_query& q) override {
        // One moment for kinds, records and days, whatever is written meanwhile.
        if (auto f = run("BEGIN")) return *f;
        auto out = sum_now(q);
        run("COMMIT");
        return out;
    }

    std::optional<fault> records(const usage_query& q, std::uint64_t limit,
                                 const std::function<void(const record_values&)>& each) override {
        if (auto f = run("BEGIN")) return f;
        auto out = records_now(q, limit, each);
        run("COMMIT");
        return out;
    }

private:
    sqlite_reader(database d, std::string path) : db_(std::move(d)), path_(std::move(path)) {}

    fault failed() const { return {store_away, origin::gateway, 500, path_ + ": " + sqlite3_errmsg(db_.get())}; }
    std::optional<fault> run(const char* sql) {
        if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failed();
        return {};
    }
    result<statement> prepare(const std::string& sql) {
        sqlite3_stmt* s = nullptr;
        if (sqlite3_prepare_v2(db_.get(), sql.data(), static_cast<int>(sql.size()), &s, nullptr) != SQLITE_OK)
            return failed();
        return statement(s);
    }
    // Calls `each` for every row.
    template <class Each>
    std::optional<fault> walk(sqlite3_stmt* s, Each each) {
        int step = 0;
        while ((step = sqlite3_step(s)) == SQLITE_ROW) each(s);
        if (step != SQLITE_DONE) return failed();
        return {};
    }

    result<std::vector<kind_row>> kinds() {
        std::vector<kind_row> out;
        auto s = prepare(select_kinds);
        if (!s) return s.error();
        const auto f = walk(s->get(), [&](sqlite3_stmt* row) {
            const auto kind = sqlite3_column_int64(row, 0);
            if (kind < 0 || kind > 100'000'000) return;
            if (out.size() <= static_cast<std::size_t>(kind)) out.resize(static_cast<std::size_t>(kind) + 1);
            auto& k = out[static_cast<std::size_t>(kind)];
            k.known = true;
            for (std::size_t i = 0; i < kind_texts; ++i) k.texts[i] = text_at(row, static_cast<int>(i) + 1);
        });
        if (f) return *f;
        return out;
    }

    result<usage_report> sum_now(const usage_query& q) {
        auto all = kinds();
        if (!all) return all.error();
        summing sums(q, *all);
        if (auto f = sum_records(q, sums)) return *f;
        std::uint64_t cut = 0;
        if (auto f = sum_days(q, sums, cut)) return *f;
        auto out = std::move(sums).take();
        out.cut_days = cut;
        out.impossible = std::exchange(impossible_, 0);
        return out;
    }

    std::optional<fault> sum_records(const usage_query& q, summing& sums) {
        auto s =
            prepare(std::string("SELECT facts, key, late, prompt_tokens, completion_tokens, price_nanos, parts") +
                    (sums.users_wanted() ? ", end_user" : "") + " FROM records WHERE key BETWEEN ?1 AND ?2");
        if (!s) return s.error();
        const auto [first, last] = key_range(q);
        sqlite3_bind_int64(s->get(), 1, first);
        sqlite3_bind_int64(s->get(), 2, last);
        const auto from = q.from_us.value_or(INT64_MIN), to = q.to_us.value_or(INT64_MAX);
        const bool users = sums.users_wanted();
        return walk(s->get(), [&](sqlite3_stmt* row) {
            const auto facts = sqlite3_column_int64(row, 0);
            const auto* k = sums.find(facts >> sqlite_kind_shift);
            const auto time = (sqlite3_column_int64(row, 1) >> sqlite_ms_shift) * 1000 + sqlite3_column_int64(row, 2);
            if (k == nullptr || time < from || time >= to) return;
            auto& c = sums.cell(*k, facts, time, users ? text_at(row, 7) : std::string_view{});
            const auto prompt = static_cast<std::uint64_t>(sqlite3_column_int64(row, 3));
            const auto completion = static_cast<std::uint64_t>(sqlite3_column_int64(row, 4));
            ++c.requests;
            c.errors += is_error(outcome_of(facts)) ? 1 : 0;
            c.prompt = add_sat(c.prompt, prompt);
            c.completion = add_sat(c.completion, completion);
            if (source_of(facts) == static_cast<std::uint32_t>(core::token_source::estimated))
                c.estimated = add_sat(c.estimated, add_sat(prompt, completion));
            const std::int64_t price = sqlite3_column_int64(row, 5);
            c.price_nanos = add_sat(c.price_nanos, price);
            if (prompt > core::most_tokens || completion > core::most_tokens || price < 0) ++impossible_;
            const auto parts = static_cast<std::uint64_t>(sqlite3_column_int64(row, 6));
            c.cached += parts & ((std::uint64_t{1} << sqlite_half_shift) - 1);
            c.reasoning += parts >> sqlite_half_shift;
        });
    }

    std::optional<fault> sum_days(const usage_query& q, summing& sums, std::uint64_t& cut) {
        auto s = prepare(
            "SELECT day, kind, outcome, source, requests, prompt_tokens, completion_tokens, cached_tokens, "
            "reasoning_tokens, price_nanos FROM days WHERE day >= ?1 AND day < ?2 ORDER BY day");
        if (!s) return s.error();
        const auto days = days_of(q);
        sqlite3_bind_int64(s->get(), 1, days.touched_first);
        sqlite3_bind_int64(s->get(), 2, days.touched_end);
        std::int64_t last_cut = INT64_MIN;
        return walk(s->get(), [&](sqlite3_stmt* row) {
            const auto number = [row](int column) {
                return static_cast<std::uint64_t>(sqlite3_column_int64(row, column));
            };
            const auto day = sqlite3_column_int64(row, 0);
            const auto* k = sums.find(sqlite3_column_int64(row, 1));
            if (k == nullptr) return;
            if (day < days.first || day >= days.end) {
                cut += day != last_cut ? 1 : 0;
                last_cut = day;
                return;
            }
            const auto outcome = static_cast<std::uint32_t>(number(2));
            usage_sums add{number(4), is_error(outcome) ? number(4) : 0, number(5), number(6), number(7), number(8)};
            if (number(3) == static_cast<std::uint64_t>(core::token_source::estimated)) add.estimated = add.total();
            add.price_nanos = sqlite3_column_int64(row, 9);
            const auto most = mul_sat(add.requests, core::most_tokens);
            if (add.prompt > most || add.completion > most || add.price_nanos < 0) ++impossible_;
            sums.day_cell(*k, outcome, day) += add;
        });
    }

    std::optional<fault> records_now(const usage_query& q, std::uint64_t limit,
                                     const std::function<void(const record_values&)>& each) {
        std::string chosen;
        if (!q.filters.empty()) {
            const auto all = kinds();
            if (!all) return all.error();
            for (std::size_t i = 0; i < all->size(); ++i)
                if ((*all)[i].known && wanted((*all)[i], q.filters))
                    chosen += (chosen.empty() ? "" : ",") + std::to_string(i);
            chosen = " AND r.facts >> 34 IN (" + chosen + ")";
        }
        // The view's own columns over a range of keys: the view alone would have to be read from its beginning.
        constexpr std::string_view schema = sqlite_schema_1, begin = "CREATE VIEW usage_records AS ";
        constexpr auto at = schema.find(begin) + begin.size();
        constexpr auto select = schema.substr(at, schema.find(';', at) - at);
        static_assert(select.ends_with("FROM records r JOIN kinds k ON k.kind = r.facts >> 34"));
        auto s = prepare(std::string(select) +
                         " WHERE r.key BETWEEN ?1 AND ?2 AND (r.key >> 21) * 1000 + r.late >= ?3"
                         " AND (r.key >> 21) * 1000 + r.late < ?4" +
                         chosen + " ORDER BY r.key DESC LIMIT ?5");
        if (!s) return s.error();
        const auto [first, last] = key_range(q);
        sqlite3_bind_int64(s->get(), 1, first);
        sqlite3_bind_int64(s->get(), 2, last);
        sqlite3_bind_int64(s->get(), 3, q.from_us.value_or(INT64_MIN));
        sqlite3_bind_int64(s->get(), 4, q.to_us.value_or(INT64_MAX));
        sqlite3_bind_int64(s->get(), 5, static_cast<std::int64_t>(std::min<std::uint64_t>(limit, INT64_MAX)));
        const auto columns = record_columns();
        std::vector<int> places;
        for (const auto& c : columns) {
            int place = 0;
            while (place < sqlite3_column_count(s->get()) && c.name != sqlite3_column_name(s->get(), place)) ++place;
            places.push_back(place);
        }
        // price as a floating-point number loses digits that price_nanos has.
        int nanos = 0;
        while (std::string_view("price_nanos") != sqlite3_column_name(s->get(), nanos)) ++nanos;
        record_values values(columns.size());
        return walk(s->get(), [&](sqlite3_stmt* row) {
            for (std::size_t i = 0; i < columns.size(); ++i) {
                values[i].reset();
                const int place = columns[i].name == "price" ? nanos : places[i];
                if (sqlite3_column_type(row, place) == SQLITE_NULL) continue;
                values[i] =
                    place == nanos ? price_text(sqlite3_column_int64(row, nanos)) : std::string(text_at(row, place));
            }
            each(values);
        });
    }

    database db_;
    std::string path_;
    std::uint64_t impossible_{0};  // rows of the running sum()
};

// A path as SQLite's URIs want it.
std::string uri_of(std::string_view path, bool immutable) {
    std::string out = "file:";
    for (const char c : path) {
        if (c == '/') out += c;
        else percent::append_encoded(out, {&c, 1});
    }
    return out + (immutable ? "?immutable=1" : "?mode=ro");
}

bool empty_or_absent(const std::string& path) noexcept {
    struct stat s {};
    return ::stat(path.c_str(), &s) != 0 || s.st_size == 0;
}

result<std::unique_ptr<usage_reader>> sqlite_reader::open(std::string_view path) {
    const std::string name(path);
    const auto away = [&](const std::string& why) {
        return fault{store_away, origin::gateway, 500, name + ": " + why};
    };
    if (struct stat s{}; ::stat(name.c_str(), &s) != 0) return away("there is no usage database");
    // A gateway that writes shares a small file with its readers. Where that cannot be made, in a read-only place, no
    // gateway writes either, and the file may be read as it is; if a log of an earlier one lies there, it is needed.
    for (const bool immutable : {false, true}) {
        sqlite3* raw = nullptr;
        const int opened = sqlite3_open_v2(uri_of(path, immutable).c_str(), &raw,
                                           SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, nullptr);
        std::unique_ptr<sqlite_reader> r(new sqlite_reader(database(raw), name));
        if (opened != SQLITE_OK) return away(sqlite3_errstr(opened));
        sqlite3_busy_timeout(raw, 5000);
        r->run("PRAGMA mmap_size = 1099511627776; PRAGMA cache_size = -16000");
        const auto version = r->prepare("PRAGMA user_version");
        const auto step = version ? sqlite3_step(version->get()) : sqlite3_errcode(raw);
        if (step == SQLITE_ROW) {
            const auto have = static_cast<std::size_t>(sqlite3_column_int(version->get(), 0));
            if (have == 0) return away("is no usage database");
            if (have > sqlite_migrations.size()) return away("was made by a later version of Spillway");
            return r;
        }
        if (immutable || !empty_or_absent(name + "-wal")) return away(sqlite3_errmsg(raw));
    }
    return away("cannot be read");
}

}  // namespace

result<std::unique_ptr<usage_reader>> read_sqlite(const std::string& url, const std::string& /*password*/) {
    return sqlite_reader::open(path_of_sqlite(url));
}

}  // namespace spillway::ledger
