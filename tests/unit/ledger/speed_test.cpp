#include <chrono>
#include <cstdio>
#include <ctime>
#include <vector>

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace spillway::ledger
