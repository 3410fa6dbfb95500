#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>

#include <spillway/ledger/usage_report.hpp>

#include "../../../src/ledger/sqlite_schema.hpp"
#include "../../../src/ledger/store.hpp"

namespace spillway::ledger {
namespace usage_report_test {

constexpr std::int64_t hour_us = 3'600'000'000, day_us = 24 * hour_us;
constexpr std::uint64_t most = std::uint64_t{1} << 62;
constexpr std::int64_t november = 1793491200LL * 1'000'000;  // 2026-11-01T00:00:00Z, a Sunday

core::usage_record record(std::int64_t time_us, std::uint64_t number) {
    core::usage_record r;
    r.id = core::make_record_id(static_cast<std::uint64_t>(time_us / 1000), 0, number);
    r.time_us = time_us;
    r.gateway = "g1";
    r.client = "shop";
    r.labels_json = R"({"cost_center":"0042","team":"web"})";
    r.pool = "main";
    r.model = "gpt-4o-2024-11-20";
    r.operation = "chat";
    r.status = 200;
    r.attempts = 1;
    r.source = core::token_source::exact;
    r.tokens = {100, 20, 30, 5, 0, 0};
    r.price_nanos = 1'000'001;
    r.priced = true;
    return r;
}

class usage_report_of_sqlite : public testing::Test {
protected:
    usage_report_of_sqlite()
        : folder_(std::filesystem::temp_directory_path() / ("usage-report-" + std::to_string(::getpid()))) {
        std::filesystem::remove_all(folder_);
        std::filesystem::create_directories(folder_);
        store_ = *open_store("sqlite:" + path(), "");
    }
    ~usage_report_of_sqlite() override {
        store_.reset();
        std::filesystem::remove_all(folder_);
    }

    std::string path() const { return (folder_ / "usage.db").string(); }
    void write(const core::usage_record& r) { ASSERT_FALSE(store_->write({&r, 1})); }
    void write(
        std::int64_t time_us, void (*change)(core::usage_record&) = [](core::usage_record&) {}) {
        auto r = record(time_us, ++number_);
        change(r);
        write(r);
    }
    std::unique_ptr<usage_reader> reader() { return *open_usage_reader("sqlite:" + path(), ""); }
    usage_report report(std::vector<std::string_view> by, usage_query q = {}) {
        for (const auto word : by) q.by.push_back(*parse_grouping(word));
        return *reader()->sum(q);
    }

    std::filesystem::path folder_;
    std::unique_ptr<usage_store> store_;
    std::uint64_t number_{0};
};

TEST_F(usage_report_of_sqlite, sums_are_exact_and_exact_and_estimated_tokens_stand_apart) {
    write(november);
    write(november + 1, [](auto& r) {
        r.source = core::token_source::estimated;
        r.price_nanos = 2;
    });
    write(november + 2, [](auto& r) {
        r.outcome = core::usage_outcome::refused;
        r.source = core::token_source::none;
        r.tokens = {};
        r.priced = false;
        r.price_nanos = 0;
    });
    write(november + 3, [](auto& r) { r.outcome = core::usage_outcome::client_left; });
    const auto r = report({"client"});
    ASSERT_EQ(r.rows.size(), 1U);
    EXPECT_EQ(r.rows[0].keys, std::vector<std::string>{"shop"});
    const usage_sums wanted{4, 1, 300, 60, 90, 15, 120, 2'000'004};
    EXPECT_EQ(r.rows[0].sums, wanted);
    EXPECT_EQ(r.totals, wanted);
    EXPECT_EQ(r.totals.exact(), 240U);
}

TEST_F(usage_report_of_sqlite, rows_are_told_apart_by_every_dimension) {
    write(november);
    write(november + hour_us, [](auto& r) {
        r.client = "desk";
        r.labels_json = R"({"team":"ops"})";
        r.pool = "other";
        r.backend = "b";
        r.instance = "i";
        r.region = "r";
        r.deployment = "d";
        r.model = "m";
        r.operation = "embeddings";
        r.route = "way";
        r.gateway = "g2";
        r.status = 429;
        r.outcome = core::usage_outcome::failed;
        r.end_user = "ann";
    });
    for (const auto* by : {"client", "label:team", "pool", "backend", "instance", "region", "deployment", "model",
                           "operation", "route", "gateway", "status", "outcome", "end_user", "hour"})
        EXPECT_EQ(report({by}).rows.size(), 2U) << by;
    for (const auto* by : {"day", "week", "month", "label:unknown"}) EXPECT_EQ(report({by}).rows.size(), 1U) << by;
    EXPECT_EQ(report({"label:cost_center"}).rows[0].keys[0], "") << "desk has none";
    EXPECT_EQ(report({"label:cost_center"}).rows[1].keys[0], "0042");
    EXPECT_EQ(report({"status", "client"}).rows[1].keys, (std::vector<std::string>{"429", "desk"}));
}

TEST_F(usage_report_of_sqlite, calendar_periods_are_those_of_utc_and_weeks_begin_on_monday) {
    write(november - 1);
    write(november);
    write(november + day_us - 1);
    write(november + day_us);
    const auto keys = [this](std::string_view by) {
        std::vector<std::string> out;
        for (const auto& row : report({by}).rows) out.push_back(row.keys[0]);
        return out;
    };
    EXPECT_EQ(keys("day"), (std::vector<std::string>{"2026-10-31", "2026-11-01", "2026-11-02"}));
    EXPECT_EQ(keys("week"), (std::vector<std::string>{"2026-W44", "2026-W45"}));
    EXPECT_EQ(keys("month"), (std::vector<std::string>{"2026-10", "2026-11"}));
    EXPECT_EQ(keys("hour").front(), "2026-10-31T23:00Z");
}

TEST_F(usage_report_of_sqlite, the_beginning_belongs_to_a_period_and_its_end_does_not) {
    for (const std::int64_t at : {november - 1, november, november + day_us - 1, november + day_us}) write(at);
    EXPECT_EQ(report({}, {november, november + day_us, {}, {}}).totals.requests, 2U);
    EXPECT_EQ(report({}, {november + 1, {}, {}, {}}).totals.requests, 2U);
    EXPECT_EQ(report({}, {{}, november, {}, {}}).totals.requests, 1U);
}

TEST_F(usage_report_of_sqlite, filters_of_one_kind_are_alternatives_and_different_ones_hold_together) {
    write(november);
    write(november, [](auto& r) { r.client = "desk"; });
    write(november, [](auto& r) {
        r.client = "desk";
        r.labels_json = R"({"team":"ops"})";
    });
    const auto count = [this](std::vector<usage_filter> f) { return report({}, {{}, {}, {}, f}).totals.requests; };
    const usage_filter shop{{dimension::client, {}}, "shop"}, desk{{dimension::client, {}}, "desk"};
    const usage_filter ops{{dimension::label, "team"}, "ops"};
    EXPECT_EQ(count({shop}), 1U);
    EXPECT_EQ(count({shop, desk}), 3U);
    EXPECT_EQ(count({desk, ops}), 1U);
    EXPECT_EQ(count({shop, ops}), 0U);
}

TEST_F(usage_report_of_sqlite, sums_are_the_same_before_and_after_compaction) {
    for (int i = 0; i < 48; ++i) write(november + i * hour_us + 7);
    const auto before = report({"client", "day", "outcome"});
    const wall_time now{microseconds(november + 3 * day_us)};
    while (*store_->compact(now, {hours(48), hours(24 * 365)})) {
    }
    ASSERT_EQ(report({"status"}).rows.size(), 2U) << "nothing was compacted";
    const auto after = report({"client", "day", "outcome"});
    ASSERT_EQ(after.rows.size(), 2U);
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(after.rows[i].keys, before.rows[i].keys);
        EXPECT_EQ(after.rows[i].sums, before.rows[i].sums);
    }
    EXPECT_EQ(report({"hour"}).rows.size(), 25U) << "a day that is a sum has no hours";
    const auto cut = report({}, {november + hour_us, november + 2 * day_us, {}, {}});
    EXPECT_EQ(cut.totals.requests, 24U);
    EXPECT_EQ(cut.cut_days, 1U);
}

TEST_F(usage_report_of_sqlite, reads_while_the_gateway_writes) {
    write(november);
    const auto open = reader();
    write(november + 1);
    EXPECT_EQ(open->sum({})->totals.requests, 2U);
}

TEST_F(usage_report_of_sqlite, single_records_come_newest_first_with_all_that_is_known) {
    write(november);
    write(november + 1'500'000, [](auto& r) {
        r.request_id = "req-2";
        r.streaming = true;
        r.price_nanos = 12'345;
    });
    std::vector<record_values> seen;
    const auto all = [&](const record_values& v) { seen.push_back(v); };
    ASSERT_FALSE(reader()->records({}, 10, all));
    ASSERT_EQ(seen.size(), 2U);
    const auto value = [&](std::string_view name) {
        for (std::size_t i = 0; i < record_columns().size(); ++i)
            if (record_columns()[i].name == name) return seen[0][i].value_or("NULL");
        return std::string("no such column");
    };
    EXPECT_EQ(value("time"), "2026-11-01T00:00:01.500000Z");
    EXPECT_EQ(value("price"), "0.000012345");
    EXPECT_EQ(value("request_id"), "req-2");
    EXPECT_EQ(value("streaming"), "1");
    EXPECT_EQ(value("prompt_tokens"), "100");
    EXPECT_EQ(value("first_byte_seconds"), "NULL");
    seen.clear();
    ASSERT_FALSE(reader()->records({{}, {}, {}, {{{dimension::client, {}}, "nobody"}}}, 10, all));
    EXPECT_TRUE(seen.empty());
    ASSERT_FALSE(reader()->records({}, 1, all));
    EXPECT_EQ(seen.size(), 1U);
}

TEST_F(usage_report_of_sqlite, what_is_no_ledger_is_told) {
    EXPECT_FALSE(open_usage_reader("sqlite:" + (folder_ / "absent.db").string(), ""));
    EXPECT_FALSE(open_usage_reader("mysql://host/db", ""));
    sqlite3* other = nullptr;
    const auto name = (folder_ / "other.db").string();
    ASSERT_EQ(sqlite3_open(name.c_str(), &other), SQLITE_OK);
    sqlite3_exec(other, "CREATE TABLE t(x)", nullptr, nullptr, nullptr);
    sqlite3_close(other);
    const auto opened = open_usage_reader("sqlite:" + name, "");
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message.find("no usage database"), std::string::npos);
}

TEST(usage_report, prices_keep_every_digit_and_at_least_two) {
    EXPECT_EQ(price_text(0), "0.00");
    EXPECT_EQ(price_text(1), "0.000000001");
    EXPECT_EQ(price_text(1'500'000'000), "1.50");
    EXPECT_EQ(price_text(-1'234'000'000), "-1.234");
}

TEST_F(usage_report_of_sqlite, figures_that_cannot_be_are_pointed_out_and_repaired) {
    write(november);
    write(november + 1, [](auto& r) { r.tokens.prompt = 4'611'686'018'427'384'464; });
    write(november + 2, [](auto& r) { r.tokens.completion = core::most_tokens + 1; });
    write(november + 3, [](auto& r) { r.price_nanos = -7'500'000'000; });
    write(november + 4, [](auto& r) { r.tokens.prompt = core::most_tokens; });
    write(november + 5, [](auto& r) { r.tokens.prompt = most, r.price_nanos = INT64_MAX; });
    EXPECT_EQ(report({"client"}).impossible, 4U);
    const auto done = repair_usage("sqlite:" + path(), "");
    ASSERT_TRUE(done);
    EXPECT_EQ(done->records, 4U);
    EXPECT_EQ(done->days, 0U);
    const auto after = report({"client"});
    EXPECT_EQ(after.impossible, 0U);
    EXPECT_EQ(after.totals.requests, 6U);
    EXPECT_EQ(after.totals.prompt, 100 + core::most_tokens);
    EXPECT_EQ(after.totals.price_nanos, 2 * 1'000'001);
    EXPECT_EQ(repair_usage("sqlite:" + path(), "")->records, 0U) << "once is enough";
}

TEST_F(usage_report_of_sqlite, sums_of_days_that_cannot_be_are_repaired) {
    write(november, [](auto& r) { r.tokens.prompt = most; });
    write(november + day_us);
    const config::usage_retention keep{hours(24), hours(24 * 365 * 7)};
    while (*store_->compact(wall_time(microseconds(november + 5 * day_us)), keep)) {
    }
    EXPECT_EQ(report({"day"}).impossible, 1U);
    const auto done = repair_usage("sqlite:" + path(), "");
    ASSERT_TRUE(done);
    EXPECT_EQ(done->days, 1U);
    const auto after = report({"client"});
    EXPECT_EQ(after.impossible, 0U);
    EXPECT_EQ(after.totals.requests, 2U);
    EXPECT_EQ(after.totals.prompt, 100U);
}

TEST(usage_repair, says_what_is_no_store) {
    EXPECT_FALSE(repair_usage("sqlite:/nowhere/usage.db", ""));
    EXPECT_FALSE(repair_usage("mysql://x", ""));
}

}  // namespace usage_report_test
}  // namespace spillway::ledger
