#include <condition_variable>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <spillway/core/period.hpp>

#include "../../../src/ledger/open_with.hpp"
#include "record_kit.hpp"

namespace spillway::ledger {
namespace service_test {

// Waits for something that threads bring about; the time only ends a test that has failed.
template <class F>
bool comes_true(F f) {
    for (int i = 0; i < 2000; ++i) {
        if (f()) return true;
        std::this_thread::sleep_for(milliseconds(5));
    }
    return f();
}

std::int64_t now_us() {
    return std::chrono::duration_cast<microseconds>(wall_clock::now().time_since_epoch()).count();
}

struct fixture : testing::Test {
    temporary_folder place;
    std::string database = place / "usage.db";

    std::unique_ptr<service> open() {
        opening o;
        o.settings.spool = place / "spool";
        o.settings.spool_limit = 64 << 20;
        o.settings.store = "sqlite:" + database;
        o.writers = 2;
        auto opened = ledger::open(std::move(o));
        EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
        return opened ? std::move(*opened) : nullptr;
    }
    std::string ask(const std::string& sql) { return sqlite_answer(database, sql); }
    static std::uint64_t spent_this_month(const service& s) {
        std::uint64_t sum = 0;
        const auto month = core::period_key(wall_clock::now(), config::period::month);
        for (const auto& [key, amount] : s.spent_at_start())
            if (key.ends_with('|' + month)) sum += amount.tokens;
        return sum;
    }
};
using ledger_service = fixture;

constexpr std::uint64_t tokens_of(std::uint64_t n) { return n * 110 + n * (n - 1) / 2; }

TEST_F(ledger_service, carries_records_into_sqlite_and_remembers_what_was_spent) {
    const auto start = now_us();
    auto s = open();
    for (std::uint64_t n = 0; n < 1000; ++n) ASSERT_TRUE(s->writer(n % 2).append(record_of(n, start)));
    EXPECT_TRUE(comes_true([&] { return s->report().waiting == 0; }));
    const auto r = s->report();
    EXPECT_TRUE(r.store_up);
    EXPECT_EQ(r.written, 1000U);
    EXPECT_EQ(r.lost, 0U);
    for (std::uint64_t n = 1000; n < 1100; ++n) ASSERT_TRUE(s->writer(0).append(record_of(n, start)));
    s->stop(seconds(5));
    s.reset();
    EXPECT_EQ(ask("SELECT count(*) || ' ' || sum(prompt_tokens + completion_tokens) FROM usage_records"),
              "1100 " + std::to_string(tokens_of(1100)));
    s = open();
    EXPECT_EQ(spent_this_month(*s), tokens_of(1100));
    const auto day =
        s->spent_at_start().find("chat|gpt-4o|" + core::period_key(wall_clock::now(), config::period::day));
    EXPECT_NE(day, s->spent_at_start().end());
}

TEST_F(ledger_service, the_spool_cannot_move_and_the_store_can) {
    auto s = open();
    config::usage next;
    next.spool = place / "elsewhere";
    EXPECT_TRUE(s->configure(next, ""));
    next.spool = place / "spool";
    next.spool_limit = 64 << 20;
    next.store = "sqlite:" + (place / "second.db");
    EXPECT_FALSE(s->configure(next, ""));
    EXPECT_TRUE(comes_true([&] { return s->report().store_up && s->report().store == next.store; }));
    ASSERT_TRUE(comes_true([&] { return std::filesystem::exists(place / "second.db"); }));
    s->writer(0).append(record_of(0, now_us()));
    s->stop(seconds(5));
    EXPECT_EQ(sqlite_answer(place / "second.db", "SELECT count(*) FROM usage_records"), "1");
}

// The child appends and tells each record that was taken; it is killed while it does so.
void append_until_killed(service& s, int pipe, std::uint64_t from, std::int64_t start) {
    for (auto n = from;; ++n) {
        // Far faster than requests come: the spare segment may not be there yet.
        while (!s.writer(n % 2).append(record_of(n, start))) std::this_thread::yield();
        if (::write(pipe, &n, sizeof n) != sizeof n) std::_Exit(4);
    }
}

TEST_F(ledger_service, nothing_acknowledged_is_lost_or_doubled_by_kill_9) {
    const auto start = now_us();
    std::uint64_t next = 0, acknowledged = 0, tokens = 0;
    std::string untold;  // what the child may have appended last without telling
    for (int round = 0; round < 4; ++round) {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::close(ends[0]);
            auto s = open();
            if (!s) std::_Exit(2);
            if (spent_this_month(*s) < tokens) std::_Exit(5);
            append_until_killed(*s, ends[1], next, start);
        }
        ::close(ends[1]);
        std::uint64_t seen = 0, n = 0;
        const std::uint64_t enough = 5000 + 7777 * static_cast<std::uint64_t>(round);
        while (::read(ends[0], &n, sizeof n) == sizeof n) {
            ++acknowledged;
            tokens += record_of(n).tokens.total();
            next = n + 2;
            if (++seen == enough) ::kill(child, SIGKILL);
        }
        ::close(ends[0]);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
        untold += (untold.empty() ? "" : ",") + std::to_string(record_of(next - 1).tokens.prompt);
    }
    auto s = open();
    const auto spent = spent_this_month(*s);
    EXPECT_TRUE(comes_true([&] { return s->report().waiting == 0; }));
    s->stop(seconds(5));
    s.reset();
    EXPECT_EQ(ask("SELECT count(*) = count(DISTINCT id) FROM usage_records"), "1");
    EXPECT_EQ(
        ask("SELECT count(*) || ' ' || sum(prompt_tokens + completion_tokens) FROM usage_records WHERE prompt_tokens "
            "NOT IN (" +
            untold + ")"),
        std::to_string(acknowledged) + ' ' + std::to_string(tokens));
    EXPECT_EQ(ask("SELECT sum(prompt_tokens + completion_tokens) FROM usage_records"), std::to_string(spent));
}

}  // namespace service_test
}  // namespace spillway::ledger
