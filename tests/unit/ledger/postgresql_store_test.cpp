#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include <spillway/ledger/usage_report.hpp>

#include "../../../src/ledger/postgresql_text.hpp"
#include "../../../src/ledger/store.hpp"

// Against a real server, which tests/services/test_postgresql.py starts (and stops, crashes and freezes) around
// these.
namespace spillway::ledger {
namespace {

constexpr std::int64_t day_us = 86'400'000'000, begin = 20'000 * day_us;  // 2024-10-04

// What went wrong; empty: nothing.
std::string told(const std::optional<fault>& f) { return f ? f->message : ""; }

class postgresql_store : public testing::Test {
protected:
    void SetUp() override {
        const char* url = std::getenv("SPILLWAY_POSTGRESQL");
        if (url == nullptr) GTEST_SKIP() << "SPILLWAY_POSTGRESQL names no server: tests/services runs these";
        url_ = url;
        if (const char* p = std::getenv("SPILLWAY_POSTGRESQL_PASSWORD")) password_ = p;
        // Each test has a client of its own, so that they can share a database.
        client_ = testing::UnitTest::GetInstance()->current_test_info()->name();
    }

    std::unique_ptr<usage_store> store() { return *open_store(url_, password_); }
    std::vector<core::usage_record> records(std::size_t count, std::uint64_t first = 0, std::int64_t at = begin) {
        std::vector<core::usage_record> out(count);
        for (std::size_t i = 0; i < count; ++i) {
            auto& r = out[i];
            r.id = core::make_record_id(static_cast<std::uint64_t>(at / 1000), std::hash<std::string>{}(client_),
                                        (first + i) << 8);
            r.time_us = at + static_cast<std::int64_t>(i);
            r.client = client_;
            r.labels_json = R"({"team":"web"})";
            r.status = 200;
            r.source = core::token_source::exact;
            r.tokens = {100, 10, 30, 5, 0, 0};
            r.priced = true;
            r.price_nanos = 1'000'001;
        }
        return out;
    }
    usage_report report(std::vector<std::string_view> by = {}) {
        usage_query q;
        q.filters.push_back({{dimension::client, {}}, client_});
        for (const auto word : by) q.by.push_back(*parse_grouping(word));
        return *(*open_usage_reader(url_, password_))->sum(q);
    }

    std::string url_, password_, client_;
};

TEST_F(postgresql_store, a_record_is_there_once_however_often_it_is_offered) {
    const auto s = store(), other = store();
    const auto all = records(1000);
    ASSERT_EQ(told(s->write(all)), "");
    ASSERT_EQ(told(s->write(all)), "");
    ASSERT_EQ(told(other->write(std::span(all).subspan(500))), "");
    const auto more = records(1000, 500);
    ASSERT_EQ(told(other->write(more)), "");
    const auto twice = std::vector{more.back(), more.back()};
    ASSERT_EQ(told(s->write(twice)), "");
    EXPECT_EQ(report().totals, (usage_sums{1500, 0, 150'000, 15'000, 45'000, 7'500, 0, 1'500'001'500}));
}

TEST_F(postgresql_store, two_writers_of_the_same_records_do_not_disturb_each_other) {
    const auto all = records(4000);
    const auto offer = [&](bool backwards) {
        const auto s = store();
        for (std::size_t i = 0; i < 40; ++i) {
            auto part = records(100, 100 * (backwards ? 39 - i : i));
            if (backwards) std::reverse(part.begin(), part.end());
            EXPECT_EQ(told(s->write(part)), "");
        }
    };
    std::thread other(offer, true);
    offer(false);
    other.join();
    EXPECT_EQ(report().totals.requests, 4000U);
}

TEST_F(postgresql_store, texts_of_any_bytes_poison_no_batch) {
    auto all = records(3);
    const std::string nul("a\0b", 3);
    all[0].end_user = nul;
    all[0].deployment = "\xff\xc0\xaf \xed\xa0\x80 \"\\{},NULL";
    all[1].labels_json = R"({"team":"a\u0000b"})";
    all[1].tries_json = "no json";
    all[2].tries_json = R"([{"backend":"b","status":429}])";
    all[2].tokens.prompt = UINT64_MAX;
    all[2].time_us = INT64_MAX;
    ASSERT_EQ(told(store()->write(all)), "");
    const auto r = report({"end_user"});
    EXPECT_EQ(r.totals.requests, 3U);
    EXPECT_EQ(r.rows.at(1).keys[0],
              "a\xEF\xBF\xBD"
              "b");
    EXPECT_EQ(report({"deployment"}).rows.at(1).keys[0].substr(10),
              "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD \"\\{},NULL")
        << "each byte that is no UTF-8 is replaced";
}

TEST_F(postgresql_store, what_is_tried_out_leaves_nothing_behind) {
    const auto s = store();
    ASSERT_EQ(told(s->write(records(2))), "");
    EXPECT_EQ(told(s->try_out(records(1, 10).front())), "");
    EXPECT_EQ(report().totals.requests, 2U);
    ASSERT_EQ(told(s->write(records(1, 20))), "") << "and no transaction open";
    EXPECT_EQ(report().totals.requests, 3U);
}

TEST_F(postgresql_store, compaction_keeps_the_sums_and_several_gateways_may_do_it) {
    const auto old = records(12'000);
    const auto young = records(10, 20'000, begin + 10 * day_us);
    ASSERT_EQ(told(store()->write(old)), "");
    ASSERT_EQ(told(store()->write(young)), "");
    const auto before = report({"client", "day", "outcome", "label:team"});
    const wall_time now{microseconds(begin + 11 * day_us)};
    const auto compact = [&] {
        const auto s = store();
        for (int i = 0; i < 1000; ++i) {
            const auto more = s->compact(now, {hours(48), hours(24 * 3650)});
            ASSERT_TRUE(more) << more.error().message;
            if (!*more) return;
        }
    };
    std::thread other(compact);
    compact();
    other.join();
    compact();
    const auto after = report({"client", "day", "outcome", "label:team"});
    ASSERT_EQ(after.rows.size(), before.rows.size());
    for (std::size_t i = 0; i < before.rows.size(); ++i) {
        EXPECT_EQ(after.rows[i].keys, before.rows[i].keys);
        EXPECT_EQ(after.rows[i].sums, before.rows[i].sums);
    }
    EXPECT_EQ(report({"status"}).rows.at(0).sums.requests, 12'000U) << "compacted days have no status";
    const wall_time later{microseconds(begin + 400 * day_us)};
    while (*store()->compact(later, {hours(48), hours(48)})) {
    }
    EXPECT_EQ(report().totals.requests, 0U);
}

TEST_F(postgresql_store, a_wrong_password_is_told_but_not_shown) {
    const std::string wrong = "wrong-password-4711";
    const auto f = (*open_store(url_, wrong))->write(records(1));
    ASSERT_TRUE(f);
    EXPECT_EQ(f->code, store_away);
    EXPECT_NE(f->message.find("password"), std::string::npos) << f->message;
    EXPECT_EQ(f->message.find(wrong), std::string::npos);
}

// Meanwhile the server is stopped, crashed, frozen and started again.
using postgresql_outage = postgresql_store;

TEST_F(postgresql_outage, every_record_arrives_once) {
    const auto s = store();
    const auto until = clock::now() + seconds(12);
    std::uint64_t written = 0, failures = 0;
    bool pending = false;  // a batch whose answer is lost may be there: it has to be offered until it is taken
    while (clock::now() < until || failures == 0 || pending) {
        const auto batch = records(50, written);
        if (const auto f = s->write(batch)) {
            ASSERT_EQ(f->code, store_away) << f->message;
            ++failures;
            pending = true;
            std::this_thread::sleep_for(milliseconds(20));
            ASSERT_LT(clock::now(), until + seconds(60)) << f->message;
        } else {
            written += batch.size();
            pending = false;
        }
    }
    EXPECT_EQ(report().totals.requests, written);
    EXPECT_EQ(report().totals.prompt, 100 * written);
    RecordProperty("records", std::to_string(written));
}

TEST(postgresql_store_url, what_is_no_url_is_refused_without_being_repeated) {
    const auto s = open_store("postgresql://user:hidden@[::1/db", "");
    ASSERT_FALSE(s);
    EXPECT_EQ(s.error().message.find("hidden"), std::string::npos);
}

TEST(postgresql_store_url, a_server_that_is_away_is_a_fault_of_the_write) {
    const auto s = open_store("postgresql://user@127.0.0.1:1/db", "secret-4711");
    ASSERT_TRUE(s);
    const core::usage_record r;
    const auto f = (*s)->write({&r, 1});
    ASSERT_TRUE(f);
    EXPECT_EQ(f->code, store_away);
    EXPECT_EQ(f->message.find("secret-4711"), std::string::npos);
    EXPECT_TRUE(f->message.starts_with("postgresql://127.0.0.1:1/db: ")) << f->message;
}

TEST(postgresql_text, json_that_the_database_would_refuse_is_cleaned) {
    EXPECT_EQ(postgresql::clean_json(R"({"a":"x\u0000y"})"), "{\"a\":\"x\xEF\xBF\xBDy\"}");
    EXPECT_EQ(postgresql::clean_json("{"), "");
    EXPECT_EQ(postgresql::clean_json(R"({"a":"\ud800"})"), "");
}

TEST(postgresql_text, what_a_database_does_not_hold_becomes_a_question_mark) {
    using enum postgresql::characters;
    EXPECT_EQ(postgresql::characters_of("UTF8"), all);
    EXPECT_EQ(postgresql::characters_of("SQL_ASCII"), all);
    EXPECT_EQ(postgresql::characters_of("LATIN1"), latin1);
    EXPECT_EQ(postgresql::characters_of("EUC_JP"), some);
    const std::string text = "a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80\xFF z";
    const auto cleaned = [&](postgresql::characters held) {
        std::string out;
        postgresql::append_clean(out, text, held);
        return out;
    };
    EXPECT_EQ(cleaned(all), "a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80\xEF\xBF\xBD z");
    EXPECT_EQ(cleaned(latin1), "a\xC3\xBC??? z");
    EXPECT_EQ(cleaned(some), "a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80? z");
    EXPECT_EQ(cleaned(ascii), "a???? z");
}

TEST(postgresql_text, numbers_have_their_decimals) {
    postgresql::array a;
    a.decimal(1'234'567, 6);
    a.decimal(-1, 9);
    a.null();
    a.number(UINT64_MAX);
    a.text("x\"\\");
    EXPECT_EQ(std::move(a).take(), R"({1.234567,-0.000000001,NULL,9223372036854775807,"x\"\\"})");
}

TEST_F(postgresql_store, figures_that_cannot_be_are_pointed_out_and_repaired) {
    const auto s = store();
    auto all = records(4);
    all[1].tokens.prompt = core::most_tokens * 1000;
    all[2].price_nanos = -7'500'000'000;
    ASSERT_EQ(told(s->write(all)), "");
    EXPECT_EQ(report().impossible, 2U);
    const auto done = repair_usage(url_, password_);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_GE(done->records, 2U);
    const auto after = report();
    EXPECT_EQ(after.impossible, 0U);
    EXPECT_EQ(after.totals.requests, 4U);
    EXPECT_EQ(after.totals.prompt, 200U);
    EXPECT_EQ(after.totals.price_nanos, 2 * 1'000'001);
}

}  // namespace
}  // namespace spillway::ledger
