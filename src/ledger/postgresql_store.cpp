#include <algorithm>
#include <array>
#include <cstdio>
#include <unordered_map>
#include <utility>

#include <spillway/core/period.hpp>

#include "postgresql.hpp"
#include "postgresql_errors.hpp"
#include "postgresql_schema.hpp"
#include "postgresql_text.hpp"
#include "store.hpp"

namespace spillway::ledger {
namespace {

using namespace postgresql;

constexpr int rows_a_step = 5000;
constexpr std::size_t most_remembered_texts = 10'000;

// The columns of insert_records, filled record by record.
class batch {
public:
    explicit batch(characters held) : columns_(columns(held, std::make_index_sequence<insert_columns>())) {}

    void add(const core::usage_record& r, std::string_view labels, std::string_view tries) {
        at_ = columns_.begin();
        text(uuid(r.id));
        decimal_time(r.time_us);
        for (const auto s : {r.client, labels, r.end_user, r.route, r.pool, r.backend, r.instance, r.region,
                             r.deployment, r.model, r.operation})
            text(s);
        text(r.streaming ? "t" : "f");
        number(std::int64_t{r.status});
        text(core::to_string(r.outcome));
        text(r.code);
        number(std::int64_t{r.attempts});
        if (tries.empty()) (at_++)->null();
        else text(tries);
        const auto& t = r.tokens;
        for (const auto n : {t.prompt, t.completion, t.cached, t.reasoning, t.audio_prompt, t.audio_completion})
            number(n);
        text(core::to_string(r.source));
        number(r.bytes_in);
        number(r.bytes_out);
        for (const auto us : {r.first_byte_us, r.token_us})
            if (us == 0) (at_++)->null();
            else (at_++)->decimal(us, 6);
        (at_++)->decimal(static_cast<std::int64_t>(std::min(r.duration_us, std::uint64_t{1} << 50)), 6);
        if (r.priced) (at_++)->decimal(r.price_nanos, 9);
        else (at_++)->null();
        text(r.gateway);
        text(r.request_id);
    }

    std::vector<std::string> take() && {
        std::vector<std::string> out;
        out.reserve(columns_.size());
        for (auto& c : columns_) out.push_back(std::move(c).take());
        return out;
    }

private:
    template <std::size_t... Each>
    static std::array<array, insert_columns> columns(characters held, std::index_sequence<Each...>) {
        return {((void)Each, array(held))...};
    }
    void text(std::string_view s) { (at_++)->text(s); }
    void number(std::int64_t n) { (at_++)->number(n); }
    // Bounded, so that sums of many never overflow.
    void number(std::uint64_t n) { (at_++)->number(std::min(n, std::uint64_t{1} << 50)); }
    void decimal_time(std::int64_t us) {
        // No clock is outside of these years; what is must not make the database refuse the batch.
        constexpr std::int64_t latest = 253402300799LL * 1'000'000;
        const wall_time at{microseconds(std::min(std::max<std::int64_t>(us, 0), latest))};
        const auto day = std::chrono::floor<std::chrono::days>(at);
        const std::chrono::hh_mm_ss<microseconds> clock(std::chrono::floor<microseconds>(at - day));
        std::array<char, 48> out{};
        const int n = std::snprintf(
            out.data(), out.size(), "%s %02d:%02d:%02d.%06d+00", core::period_key(at, config::period::day).c_str(),
            static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
            static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
        text({out.data(), static_cast<std::size_t>(n)});
    }

    std::array<array, insert_columns> columns_;
    std::array<array, insert_columns>::iterator at_{};
};

class postgresql_store final : public usage_store {
public:
    explicit postgresql_store(settings s) : settings_(std::move(s)) {}

    std::optional<fault> write(std::span<const core::usage_record> records) override {
        if (records.empty()) return {};
        if (auto f = connect()) return f;
        auto f = insert(records, held_);
        if (!f || records.size() != 1) return f;
        // What the database cannot hold of a record's texts is no reason to have no record.
        const auto why = connection_->refused_with();
        if (blames_the_characters(why)) return insert(records, characters::ascii);
        if (!blames_the_length(why)) return f;
        const auto cut = shortened(records.front());
        return insert({&cut, 1}, characters::ascii);
    }

    std::optional<fault> try_out(const core::usage_record& control) override {
        if (auto f = connect()) return f;
        if (auto f = done(connection_->run("BEGIN"))) return f;
        const auto plain = shortened(control);
        auto f = insert({&plain, 1}, characters::ascii);
        // Constraints that wait for the commit, which never comes.
        if (!f) f = done(connection_->run("SET CONSTRAINTS ALL IMMEDIATE"));
        if (!connection_->usable()) return f;
        auto undone = done(connection_->run("ROLLBACK"));
        return undone ? undone : f;
    }

    std::optional<fault> reach() override { return connect(); }

    result<bool> compact(wall_time now, const config::usage_retention& keep) override {
        if (auto f = connect()) return *f;
        const auto whole_days_before = [&](duration kept) {
            const auto day = core::period_of(now - kept, config::period::day).begin;
            return core::period_key(day, config::period::day);
        };
        auto more = step(compact_records, whole_days_before(keep.records) + " 00:00:00+00");
        if (!more || *more) return more;
        return step(forget_days, whole_days_before(keep.days));
    }

private:
    // Texts that a client or a backend chose, cut to what a narrow column may hold.
    static core::usage_record shortened(core::usage_record r) {
        constexpr std::size_t short_text = 20;
        for (const auto chosen : chosen_texts) r.*chosen = (r.*chosen).substr(0, short_text);
        r.tries_json = {};
        return r;
    }

    std::optional<fault> insert(std::span<const core::usage_record> records, characters held) {
        batch all(held);
        for (const auto& r : records)
            all.add(r, labels(r.labels_json), r.tries_json.empty() ? std::string() : clean_json(r.tries_json));
        return done(connection_->run(insert_records, std::move(all).take()));
    }

    // What compacts does so alone; another gateway that is at it will finish.
    result<bool> step(const char* sql, const std::string& before) {
        if (auto f = done(connection_->run("BEGIN"))) return *f;
        auto mine = connection_->run(try_lock_compaction);
        if (mine && mine->number(0, 0) == 0) {
            if (auto f = done(connection_->run("ROLLBACK"))) return *f;
            return false;
        }
        auto gone = mine ? connection_->run(sql, {before, std::to_string(rows_a_step)}) : std::move(mine);
        if (auto f = done(gone)) {
            roll_back();
            return *f;
        }
        if (auto f = done(connection_->run("COMMIT"))) return *f;
        return gone->number(0, 0) == rows_a_step;
    }

    std::optional<fault> connect() {
        if (connection_ && !connection_->usable()) connection_.reset();
        if (!connection_) {
            auto fresh = connection::open(settings_);
            if (!fresh) return fresh.error();
            connection_ = std::move(*fresh);
            schema_known_ = false;
            held_ = characters_of(connection_->server_encoding());
        }
        if (schema_known_) return {};
        if (auto f = migrate()) {
            roll_back();
            return f;
        }
        schema_known_ = true;
        return {};
    }

    // How many steps of the schema the database has.
    result<std::int64_t> version() {
        const auto there = connection_->run(find_version);
        if (!there) return there.error();
        if (there->number(0, 0) == 0) return 0;
        const auto have = connection_->run("SELECT coalesce(max(version), 0) FROM usage_schema");
        if (!have) return have.error();
        return have->number(0, 0);
    }

    std::optional<fault> migrate() {
        const auto wanted = static_cast<std::int64_t>(migrations.size());
        auto have = version();  // without the lock: an account that may only add rows is enough from now on
        if (have && *have < wanted) {
            if (auto f = done(connection_->run("BEGIN"))) return f;
            if (auto f = done(connection_->run(lock_schema))) return f;
            // First, since to_regclass() may remember within a transaction that the table was not there.
            if (auto f = done(connection_->run("CREATE TABLE IF NOT EXISTS usage_schema(version integer NOT NULL)")))
                return f;
            have = version();
            if (!have) return have.error();
            for (auto i = *have; i < wanted; ++i)
                if (auto f = done(connection_->run_all(migrations[static_cast<std::size_t>(i)]))) return f;
            if (auto f = done(connection_->run_all("DELETE FROM usage_schema; INSERT INTO usage_schema VALUES (" +
                                                   std::to_string(wanted) + ")")))
                return f;
            return done(connection_->run("COMMIT"));
        }
        if (!have) return have.error();
        if (*have > wanted)
            return fault{store_away, origin::gateway, 500,
                         settings_.shown + ": was made by a later version of Spillway"};
        return {};
    }

    void roll_back() {
        if (connection_ && connection_->usable()) done(connection_->run("ROLLBACK"));
    }

    std::optional<fault> done(const result<rows>& r) {
        if (r) return {};
        schema_known_ = false;  // an operator may have dropped the tables
        return r.error();
    }

    // Few clients have labels, and each always the same.
    std::string_view labels(std::string_view json) {
        if (json.empty()) return "{}";
        if (labels_.size() > most_remembered_texts) labels_.clear();
        auto [at, fresh] = labels_.try_emplace(std::string(json));
        if (fresh) at->second = clean_json(json);
        return at->second.starts_with('{') ? std::string_view(at->second) : "{}";
    }

    settings settings_;
    std::unique_ptr<connection> connection_;
    bool schema_known_{false};
    characters held_{characters::all};
    std::unordered_map<std::string, std::string> labels_;
};

}  // namespace

result<std::unique_ptr<usage_store>> open_postgresql(const std::string& url, const std::string& password) {
    auto s = read_url(url, password);
    if (!s) return s.error();
    return std::make_unique<postgresql_store>(std::move(*s));
}

}  // namespace spillway::ledger
