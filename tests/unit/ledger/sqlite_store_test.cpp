#include <csignal>
#include <limits>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "../../../src/ledger/store.hpp"
#include "record_kit.hpp"

namespace spillway::ledger {
namespace sqlite_store_test {

const wall_time noon{std::chrono::duration_cast<wall_clock::duration>(microseconds(noon_us))};

std::vector<core::usage_record> records(std::uint64_t from, std::uint64_t to, std::int64_t time_us = noon_us) {
    std::vector<core::usage_record> out;
    for (auto n = from; n < to; ++n) out.push_back(record_of(n, time_us));
    return out;
}

struct fixture : testing::Test {
    temporary_folder place;
    std::string path = place / "usage.db";
    std::unique_ptr<usage_store> store = open();

    std::unique_ptr<usage_store> open() {
        auto opened = open_store("sqlite:" + path, "");
        EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
        return opened ? std::move(*opened) : nullptr;
    }
    std::string ask(const std::string& sql) { return sqlite_answer(path, sql); }
};
using sqlite_store_file = fixture;

TEST_F(sqlite_store_file, a_record_is_there_once_however_often_it_is_offered) {
    EXPECT_FALSE(store->write(records(0, 100)));
    EXPECT_FALSE(store->write(records(50, 150)));
    store = open();
    EXPECT_FALSE(store->write(records(0, 150)));
    EXPECT_EQ(ask("SELECT count(*) FROM usage_records"), "150");
    EXPECT_EQ(ask("SELECT count(DISTINCT id) FROM usage_records"), "150");
}

TEST_F(sqlite_store_file, finance_reads_names_and_units) {
    auto r = record_of(1);
    r.end_user = "ann";
    r.outcome = core::usage_outcome::client_left;
    r.source = core::token_source::estimated;
    r.attempts = 3;
    r.status = 200;
    r.streaming = true;
    r.price_nanos = 1'500'000'000;
    EXPECT_FALSE(store->write({&r, 1}));
    EXPECT_EQ(
        ask("SELECT time || ' ' || client || ' ' || end_user || ' ' || pool || ' ' || backend || ' ' || model || ' ' "
            "|| outcome || ' ' || token_source || ' ' || attempts || ' ' || status || ' ' || streaming FROM "
            "usage_records"),
        "2026-11-26T12:00:00.000001Z chat ann gpt-4o sweden-1 gpt-4o-2024-11-20 client_left estimated 3 200 1");
    EXPECT_EQ(ask("SELECT price || ' ' || price_nanos || ' ' || first_byte_seconds || ' ' || duration_seconds FROM "
                  "usage_records"),
              "1.5 1500000000 0.123456 3.456789");
    EXPECT_EQ(ask("SELECT labels ->> 'team' FROM usage_records"), "research");
}

TEST_F(sqlite_store_file, the_id_is_shown_as_it_was_made) {
    auto r = record_of(0);
    r.id.bytes = {0x01, 0xa2, 0x17, 0x0a, 0xbc, 0x00, 0x7f, 0xed, 0xcb, 0xa9, 0x87, 0x65, 0x43, 0x21, 0x0f, 0xed};
    r.time_us = 0x01a2170abc00 * std::int64_t{1000};
    EXPECT_FALSE(store->write({&r, 1}));
    EXPECT_EQ(ask("SELECT id FROM usage_records"), "01a2170a-bc00-7fed-cba9-876543210fed");
    auto odd = record_of(0);  // no version 7
    odd.id.bytes = {0xff, 1, 2, 3, 4, 5, 0x16, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    EXPECT_FALSE(store->write({&odd, 1}));
    EXPECT_FALSE(store->write({&odd, 1}));
    EXPECT_EQ(ask("SELECT count(*) FROM usage_records"), "2");
    EXPECT_EQ(ask("SELECT count(*) FROM usage_records WHERE id = 'ff010203-0405-1607-0809-0a0b0c0d0e0f'"), "1");
}

TEST_F(sqlite_store_file, ids_that_differ_in_their_last_bits_alone_are_all_kept) {
    std::vector<core::usage_record> all;
    for (std::uint8_t n = 0; n < 100; ++n) {
        auto r = record_of(0);
        r.id.bytes[15] = n;
        all.push_back(r);
    }
    EXPECT_FALSE(store->write(all));
    EXPECT_FALSE(store->write(all));
    EXPECT_EQ(ask("SELECT count(DISTINCT id) FROM usage_records"), "100");
    EXPECT_EQ(ask("SELECT count(*) FROM usage_records"), "100");
}

TEST_F(sqlite_store_file, packed_columns_are_shown_as_they_were) {
    auto r = record_of(1);
    r.tokens = {10, 20, 3, 4, 5, 6};
    r.bytes_in = 0x7fffffff;
    r.bytes_out = 0xffffffff;
    r.first_byte_us = 0xffffffff;
    r.token_us = 1'500'000;
    r.code = "broke_off";
    r.tries_json = R"([{"backend":"a"}])";
    r.time_us += 1'234'567;  // the record's time and its id's differ
    EXPECT_FALSE(store->write({&r, 1}));
    EXPECT_EQ(
        ask("SELECT cached_tokens || ' ' || reasoning_tokens || ' ' || audio_prompt_tokens || ' ' || "
            "audio_completion_tokens || ' ' || bytes_in || ' ' || bytes_out || ' ' || first_byte_seconds || ' ' "
            "|| token_seconds || ' ' || code || ' ' || tries || ' ' || time FROM usage_records"),
        "3 4 5 6 2147483647 4294967295 4294.967295 1.5 broke_off [{\"backend\":\"a\"}] "
        "2026-11-26T12:00:01.234568Z");
    auto only_tries = record_of(2);
    only_tries.tries_json = "[1]";
    EXPECT_FALSE(store->write({&only_tries, 1}));
    EXPECT_EQ(ask("SELECT '(' || code || ')' || tries FROM usage_records WHERE prompt_tokens = 102"), "()[1]");
    auto nothing = record_of(3);
    EXPECT_FALSE(store->write({&nothing, 1}));
    EXPECT_EQ(ask("SELECT '(' || code || ')' || tries FROM usage_records WHERE prompt_tokens = 103"), "()");
}

TEST_F(sqlite_store_file, numbers_beyond_reason_are_bounded_and_do_not_break_sums) {
    std::vector<core::usage_record> all = records(0, 20);
    for (auto& r : all) {
        r.tokens.prompt = ~std::uint64_t{0};
        r.price_nanos = std::numeric_limits<std::int64_t>::max();
        r.duration_us = ~std::uint64_t{0};
    }
    EXPECT_FALSE(store->write(all));
    EXPECT_EQ(ask("SELECT sum(prompt_tokens) FROM usage_records"), std::to_string(20 * (std::int64_t{1} << 50)));
}

TEST_F(sqlite_store_file, compaction_keeps_the_sums) {
    constexpr std::int64_t day_us = 86'400'000'000;
    std::vector<core::usage_record> all;
    for (int day = 0; day < 5; ++day)
        for (const auto& r : records(0, 3000, noon_us - day * day_us)) all.push_back(r);
    EXPECT_FALSE(store->write(all));
    const std::string sums =
        "SELECT sum(n) || ' ' || sum(p) || ' ' || sum(c) || ' ' || sum(x) || ' ' || sum(m) FROM (SELECT count(*) n, "
        "sum(prompt_tokens) p, sum(completion_tokens) c, sum(cached_tokens) x, sum(price_nanos) m FROM usage_records "
        "UNION "
        "ALL SELECT sum(requests), sum(prompt_tokens), sum(completion_tokens), sum(cached_tokens), sum(price_nanos) "
        "FROM "
        "usage_days)";
    const auto before = ask(sums);
    config::usage_retention keep;
    keep.records = hours(48);
    int steps = 0;
    for (result<bool> more = true; more && *more; ++steps) {
        more = store->compact(noon, keep);
        ASSERT_TRUE(more) << more.error().message;
        EXPECT_EQ(ask(sums), before) << "at each step";
    }
    EXPECT_GE(steps, 2) << "small steps";
    EXPECT_EQ(ask("SELECT count(*) FROM usage_records"), "9000") << "today and two whole days";
    EXPECT_EQ(ask("SELECT sum(requests) FROM usage_days WHERE day = '2026-11-22'"), "3000");
    EXPECT_EQ(ask("SELECT count(DISTINCT client) FROM usage_days"), "2");
    keep.records = keep.days = hours(24);
    for (result<bool> more = true; more && *more;) more = store->compact(noon, keep);
    EXPECT_EQ(ask("SELECT count(*) FROM usage_days WHERE day < '2026-11-25'"), "0");
    EXPECT_EQ(ask("SELECT count(*) FROM usage_records"), "6000");
}

TEST_F(sqlite_store_file, names_of_a_batch_that_was_taken_back_are_not_remembered) {
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &other), SQLITE_OK);
    // Refuses one record, after its batch has added a name.
    ASSERT_EQ(sqlite3_exec(other,
                           "CREATE TRIGGER picky BEFORE INSERT ON records WHEN new.prompt_tokens = 109 BEGIN SELECT "
                           "RAISE(ABORT, 'no'); END",
                           nullptr, nullptr, nullptr),
              SQLITE_OK);
    sqlite3_close(other);
    const auto f = store->write(records(0, 20));
    ASSERT_TRUE(f);
    EXPECT_EQ(f->code, record_refused);
    EXPECT_EQ(ask("SELECT count(*) FROM records"), "0") << "all or nothing";
    EXPECT_FALSE(store->write(records(0, 9)));
    EXPECT_EQ(ask("SELECT count(*) FROM usage_records"), "9");
}

TEST_F(sqlite_store_file, what_is_tried_out_leaves_nothing_behind) {
    EXPECT_FALSE(store->write(records(0, 2)));
    EXPECT_FALSE(store->try_out(records(10, 11).front()));
    EXPECT_EQ(ask("SELECT count(*) FROM records"), "2");
    EXPECT_FALSE(store->write(records(20, 21)));
    EXPECT_EQ(ask("SELECT count(*) FROM usage_records"), "3");
}

TEST_F(sqlite_store_file, words_of_a_trigger_are_not_told) {
    ask("CREATE TRIGGER all_of_them BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'ann@example.org'); END");
    const auto f = store->write(records(0, 1));
    ASSERT_TRUE(f);
    EXPECT_EQ(f->code, record_refused);
    EXPECT_EQ(f->message, "SQLite, adding records: a trigger refuses it");
    EXPECT_EQ(store->try_out(records(1, 2).front())->code, record_refused);
}

TEST_F(sqlite_store_file, a_full_disk_is_a_fault_and_leaves_the_database_whole) {
    EXPECT_FALSE(store->write(records(0, 1000)));
    store.reset();
    store = open();
    // The only way to a full disk without one: the process may not make files larger.
    struct rlimit before {};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    ::signal(SIGXFSZ, SIG_IGN);
    struct rlimit tight = before;
    tight.rlim_cur = 300'000;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
    const auto f = store->write(records(1000, 9000));
    ::setrlimit(RLIMIT_FSIZE, &before);
    ASSERT_TRUE(f);
    EXPECT_EQ(f->code, store_away);
    store = open();
    EXPECT_EQ(ask("PRAGMA integrity_check"), "ok");
    EXPECT_EQ(ask("SELECT count(*) FROM usage_records"), "1000");
    EXPECT_FALSE(store->write(records(1000, 9000)));
    EXPECT_EQ(ask("SELECT count(*) FROM usage_records"), "9000");
}

TEST_F(sqlite_store_file, a_later_version_is_left_alone) {
    store.reset();
    ask("PRAGMA user_version = 99");
    const auto opened = open_store("sqlite:" + path, "");
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message.find("later version"), std::string::npos);
}

TEST(store, unknown_kinds_are_faults) { EXPECT_FALSE(open_store("mysql://x", "")); }

}  // namespace sqlite_store_test
}  // namespace spillway::ledger
