#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include <spillway/ledger/ledger.hpp>

#include "../../../src/ledger/spool.hpp"
#include "../../../src/ledger/store.hpp"
#include "record_kit.hpp"

// Not part of a usual run: prints what a record costs. --gtest_also_run_disabled_tests --gtest_filter='*speed*'
namespace spillway::ledger {
namespace {

double cpu_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

TEST(speed, DISABLED_of_append_and_of_sqlite) {
    constexpr std::size_t many = 1'000'000, batch_size = 2000;
    const temporary_folder place;
    auto s = spool::open({place / "spool", std::uint64_t{4} << 30, 1, [](const std::string& a) { puts(a.c_str()); }});
    ASSERT_TRUE(s);
    auto store = open_store("sqlite:" + (place / "usage.db"), "");
    ASSERT_TRUE(store);
    const std::vector<std::string> clients{"search",   "chat",     "batch", "mobile",
                                           "intranet", "research", "legal", "sales"};
    const std::vector<std::string> backends{"sweden-1", "sweden-2", "france-1", "eastus-1", "westus-3"};
    double appending = 0, gathering = 0, writing = 0, advancing = 0, saving = 0;
    std::vector<core::usage_record> batch;
    for (std::size_t n = 0; n < many;) {
        std::vector<core::usage_record> made;
        for (std::size_t i = 0; i < batch_size; ++i, ++n) {
            made.push_back(record_of(n, noon_us + static_cast<std::int64_t>(n) * 500));
            made.back().client = clients[n % clients.size()];
            made.back().backend = backends[n * 7 / 3 % backends.size()];
        }
        (*s)->tend({}, false);
        const auto t0 = cpu_ns();
        for (const auto& r : made) ASSERT_TRUE((*s)->writer(0).append(r));
        const auto t1 = cpu_ns();
        appending += t1 - t0;
        for (auto t2 = cpu_ns(); (*s)->gather(batch, batch_size) > 0; t2 = cpu_ns()) {
            const auto t3 = cpu_ns();
            ASSERT_FALSE((*store)->write(batch));
            const auto t4 = cpu_ns();
            (*s)->advance(batch);
            gathering += t3 - t2;
            writing += t4 - t3;
            advancing += cpu_ns() - t4;
        }
        const auto t5 = cpu_ns();
        if (n % 50'000 == 0) {
            ASSERT_FALSE((*s)->save(wall_clock::now()));
        }
        saving += cpu_ns() - t5;
    }
    std::printf("ns of CPU a record: append %.0f, decode %.0f, SQLite %.0f, sums %.0f, checkpoint %.0f\n",
                appending / many, gathering / many, writing / many, advancing / many, saving / many);
    EXPECT_EQ(sqlite_answer(place / "usage.db", "SELECT count(*) FROM records"), std::to_string(many));
    std::printf("bytes a record in SQLite: %.0f\n",
                static_cast<double>(std::filesystem::file_size(place / "usage.db")) / many);
}

// CPU of each thread of this process but the calling one, the oldest first.
std::vector<double> others_cpu_ns() {
    std::vector<double> out;
    for (const auto& e : std::filesystem::directory_iterator("/proc/self/task")) {
        if (e.path().filename() == std::to_string(::gettid())) continue;
        double ns = 0;
        std::ifstream(e.path() / "schedstat") >> ns;
        out.push_back(ns);
    }
    return out;
}

TEST(speed, DISABLED_of_the_ledgers_threads_at_27000_records_a_second) {
    constexpr int warm_ms = 3000, how_long_ms = 13'000, each_ms = 27;
    const temporary_folder place;
    opening o;
    o.settings.spool = place / "spool";
    o.settings.spool_limit = std::uint64_t{1} << 30;
    o.settings.store = "sqlite:" + (place / "usage.db");
    o.writers = 2;
    auto s = open(std::move(o));
    ASSERT_TRUE(s);
    const std::vector<std::string> clients{"search", "chat", "batch", "mobile", "intranet", "research", "legal"};
    std::uint64_t n = 0, lost = 0;
    std::vector<double> before;
    const auto start = clock::now();
    for (int ms = 0; ms < how_long_ms; ++ms) {
        std::this_thread::sleep_until(start + milliseconds(ms));
        if (ms == warm_ms) before = others_cpu_ns();
        const auto us = std::chrono::duration_cast<microseconds>(wall_clock::now().time_since_epoch()).count();
        for (int i = 0; i < each_ms; ++i, ++n) {
            auto r = record_of(n, us);
            r.time_us = us;
            r.id = core::make_record_id(static_cast<std::uint64_t>(us / 1000), n * 0x9e3779b97f4a7c15ULL >> 20,
                                        n * 0xbf58476d1ce4e5b9ULL);
            r.client = clients[n % clients.size()];
            lost += (*s)->writer(n % 2).append(r) ? 0 : 1;
        }
    }
    const auto after = others_cpu_ns();
    ASSERT_EQ(after.size(), 2U);
    EXPECT_EQ(lost, 0U);
    constexpr double measured = (how_long_ms - warm_ms) * each_ms;
    const auto report = (*s)->report();
    std::printf("ns of CPU a record: keeper %.0f, carrier %.0f; %.0f waiting, spool %.0f MB\n",
                (after[0] - before[0]) / measured, (after[1] - before[1]) / measured,
                static_cast<double>(report.waiting), static_cast<double>(report.spool_bytes) / 1e6);
    (*s)->stop(seconds(10));
    EXPECT_EQ(sqlite_answer(place / "usage.db", "SELECT count(*) FROM records"), std::to_string(n - lost));
}

}  // namespace
}  // namespace spillway::ledger
