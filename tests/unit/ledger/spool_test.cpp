#include "../../../src/ledger/spool.hpp"

#include <algorithm>
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "record_kit.hpp"

namespace spillway::ledger {
namespace spool_test {

const wall_time noon{std::chrono::duration_cast<wall_clock::duration>(microseconds(noon_us))};

struct fixture : testing::Test {
    temporary_folder place;
    std::vector<std::string> alarms;

    std::unique_ptr<spool> open(const std::string& name = "spool", std::uint64_t limit = 64 << 20,
                                std::size_t writers = 1) {
        auto opened =
            spool::open({place / name, limit, writers, [this](std::string s) { alarms.push_back(std::move(s)); }});
        EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
        return opened ? std::move(*opened) : nullptr;
    }
    // The folder as it would be after a crash at this moment.
    void crash(const std::string& from, const std::string& to) {
        std::filesystem::copy(place / from, place / to, std::filesystem::copy_options::recursive);
    }
    static std::multiset<core::record_id> carry_all(spool& s) {
        std::multiset<core::record_id> ids;
        std::vector<core::usage_record> batch;
        while (s.gather(batch, 100) > 0) {
            for (const auto& r : batch) ids.insert(r.id);
            s.advance(batch);
        }
        return ids;
    }
    std::uint64_t tokens(spool& s) {
        std::uint64_t sum = 0;
        for (const auto& [key, amount] : s.spent().running(noon))
            if (key.ends_with("2026-11")) sum += amount.tokens;
        return sum;
    }
    std::size_t files(const std::string& folder, std::string_view suffix) {
        std::size_t n = 0;
        for (const auto& e : std::filesystem::directory_iterator(place / folder))
            n += e.path().string().ends_with(suffix) ? 1 : 0;
        return n;
    }
};
using spool_files = fixture;

constexpr std::uint64_t tokens_of(std::uint64_t n) { return n * 110 + n * (n - 1) / 2; }

void append(spool& s, std::uint64_t from, std::uint64_t to, std::size_t writer = 0) {
    for (auto n = from; n < to; ++n) ASSERT_TRUE(s.writer(writer).append(record_of(n))) << n;
}

TEST_F(spool_files, records_come_out_once_and_in_order) {
    auto s = open("spool", 64 << 20, 2);
    append(*s, 0, 300);
    append(*s, 300, 500, 1);
    EXPECT_EQ(s->waiting(), 500U);
    const auto ids = carry_all(*s);
    EXPECT_EQ(ids.size(), 500U);
    EXPECT_EQ(std::set<core::record_id>(ids.begin(), ids.end()).size(), 500U);
    EXPECT_EQ(s->waiting(), 0U);
}

TEST_F(spool_files, what_is_not_advanced_is_gathered_again) {
    auto s = open();
    append(*s, 0, 10);
    std::vector<core::usage_record> batch;
    EXPECT_EQ(s->gather(batch, 100), 10U);
    EXPECT_EQ(s->gather(batch, 100), 10U);
    s->advance(batch);
    EXPECT_EQ(s->gather(batch, 100), 0U);
}

TEST_F(spool_files, only_the_owner_may_look) {
    auto s = open();
    struct stat about {};
    ASSERT_EQ(::stat((place / "spool").c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0700U);
    for (const auto& e : std::filesystem::directory_iterator(place / "spool")) {
        ASSERT_EQ(::stat(e.path().c_str(), &about), 0);
        EXPECT_EQ(about.st_mode & 0777, 0600U) << e.path();
    }
}

TEST_F(spool_files, a_full_spool_loses_and_counts_until_there_is_room) {
    auto s = open("spool", 4 * 65536);
    std::uint64_t n = 0;
    while (s->writer(0).append(record_of(n))) {
        ++n;
        s->tend({}, false);
        ASSERT_LT(n, 100'000U);
    }
    EXPECT_LE(s->bytes(), s->limit());
    EXPECT_GT(n, 500U) << "a small limit is used";
    EXPECT_TRUE(s->full());
    EXPECT_EQ(s->lost(), 1U);
    EXPECT_EQ(carry_all(*s).size(), n);
    EXPECT_FALSE(s->save(noon));
    s->tend({}, false);
    EXPECT_FALSE(s->full());
    EXPECT_TRUE(s->writer(0).append(record_of(n)));
    EXPECT_EQ(carry_all(*s).size(), 1U);
}

TEST_F(spool_files, a_record_larger_than_a_segment_is_refused_and_others_go_on) {
    auto s = open("spool", 4 * 65536);
    auto large = record_of(0);
    const std::string text(100'000, 'x');
    large.tries_json = text;
    EXPECT_FALSE(s->writer(0).append(large));
    EXPECT_EQ(s->lost(), 1U);
    EXPECT_FALSE(s->full());
    append(*s, 1, 5);
    EXPECT_EQ(carry_all(*s).size(), 4U);
}

TEST_F(spool_files, a_crash_leaves_all_to_the_next_process) {
    auto s = open("spool", 4 * 65536, 2);
    append(*s, 0, 100);
    append(*s, 100, 150, 1);
    crash("spool", "after");
    auto next = open("after");
    EXPECT_EQ(next->waiting(), 150U);
    EXPECT_EQ(tokens(*next), tokens_of(150));
    append(*next, 150, 160);
    EXPECT_EQ(carry_all(*next).size(), 160U);
    EXPECT_FALSE(next->save(noon));
    EXPECT_EQ(files("after", ".frames"), 1U) << "its own";
    next.reset();
    EXPECT_EQ(files("after", ".frames"), 0U);
    EXPECT_EQ(tokens(*open("after")), tokens_of(160));
}

TEST_F(spool_files, sums_are_exact_whatever_moment_a_crash_comes) {
    auto s = open("spool", 4 * 65536);
    std::vector<core::usage_record> batch;
    std::uint64_t n = 0;
    int moment = 0;
    const auto check = [&] {
        const auto copy = "crash" + std::to_string(moment++);
        crash("spool", copy);
        auto next = open(copy);
        ASSERT_EQ(tokens(*next), tokens_of(n)) << copy;
        // And a second crash, while the heir has saved and carried a part.
        std::vector<core::usage_record> some;
        next->gather(some, 30);
        next->advance(some);
        if (moment % 2 == 0) {
            ASSERT_FALSE(next->save(noon));
        }
        crash(copy, copy + "-again");
        auto third = open(copy + "-again");
        ASSERT_EQ(tokens(*third), tokens_of(n)) << copy;
        carry_all(*third);
        ASSERT_FALSE(third->save(noon));
        crash(copy + "-again", copy + "-last");
        ASSERT_EQ(tokens(*open(copy + "-last")), tokens_of(n)) << copy;
    };
    for (int round = 0; round < 6; ++round) {
        append(*s, n, n + 70);
        n += 70;
        s->tend({}, true);
        check();
        s->gather(batch, 50);
        s->advance(batch);
        check();
        ASSERT_FALSE(s->save(noon));
        check();
    }
}

// Files that are used again hold old frames behind the new ones, and each with a checksum that fits.
TEST_F(spool_files, old_frames_in_a_file_that_is_used_again_are_never_taken_for_new_ones) {
    auto s = open("spool", 4 * 65536);
    std::uint64_t n = 0;
    int used_again = 0;
    for (int round = 0; round < 12; ++round) {
        const auto before = files("spool", ".spare");
        for (int i = 0; i < 100; ++i, ++n) {
            ASSERT_TRUE(s->writer(0).append(record_of(n)));
            s->tend({}, false);
        }
        used_again += files("spool", ".spare") < before ? 1 : 0;
        crash("spool", "before" + std::to_string(round));
        EXPECT_EQ(tokens(*open("before" + std::to_string(round))), tokens_of(n)) << round;
        carry_all(*s);
        ASSERT_FALSE(s->save(noon));
        crash("spool", "after" + std::to_string(round));
        auto next = open("after" + std::to_string(round));
        EXPECT_EQ(next->waiting(), 0U) << round;
        EXPECT_EQ(tokens(*next), tokens_of(n)) << round;
        EXPECT_FALSE(next->save(noon));
        EXPECT_EQ(files("after" + std::to_string(round), ".spare"), 0U);
    }
    EXPECT_GE(used_again, 3);
    EXPECT_LE(s->bytes(), s->limit());
    s.reset();
    EXPECT_EQ(files("spool", ".spare") + files("spool", ".frames"), 0U);
}

TEST_F(spool_files, frames_count_only_under_the_name_that_they_were_written_for) {
    auto s = open();
    append(*s, 0, 10);
    crash("spool", "after");
    std::filesystem::path first;
    for (const auto& e : std::filesystem::directory_iterator(place / "after"))
        if (e.path().string().ends_with(".0-0.frames")) first = e.path();
    auto other = first.string();
    other.replace(other.size() - std::string_view("0.frames").size(), std::string::npos, "77.frames");
    std::filesystem::copy_file(first, other);
    auto next = open("after");
    EXPECT_EQ(next->waiting(), 10U);
    EXPECT_EQ(tokens(*next), tokens_of(10));
}

TEST_F(spool_files, a_torn_frame_ends_its_file) {
    auto s = open();
    append(*s, 0, 10);
    crash("spool", "after");
    for (const auto& e : std::filesystem::directory_iterator(place / "after")) {
        if (!e.path().string().ends_with(".0-0.frames")) continue;
        std::fstream f(e.path(), std::ios::in | std::ios::out | std::ios::binary);
        f.seekp(static_cast<std::streamoff>(64 + 9 * frame_size(record_of(0)) + 100));
        f << "torn";
    }
    auto next = open("after");
    EXPECT_EQ(next->waiting(), 9U);
    EXPECT_EQ(carry_all(*next).size(), 9U);
}

TEST_F(spool_files, processes_share_a_folder_and_the_files_of_the_living_stay_theirs) {
    auto old = open();
    append(*old, 0, 10);
    auto young = open();
    EXPECT_EQ(tokens(*young), tokens_of(10)) << "what the old one booked counts";
    append(*young, 10, 20);
    EXPECT_EQ(carry_all(*young).size(), 10U);
    old.reset();  // ends before its records are in the store
    young->adopt();
    EXPECT_EQ(young->waiting(), 10U);
    EXPECT_EQ(carry_all(*young).size(), 10U);
    EXPECT_FALSE(young->save(noon));
    crash("spool", "after");
    EXPECT_EQ(tokens(*open("after")), tokens_of(20));
    EXPECT_EQ(files("spool", ".lock"), 1U);
}

TEST_F(spool_files, what_belongs_to_past_periods_is_forgotten) {
    auto s = open();
    append(*s, 0, 10);
    carry_all(*s);
    EXPECT_FALSE(s->save(noon + hours(24 * 40)));
    s.reset();
    auto next = open();
    EXPECT_TRUE(next->spent().running(noon).empty());
}

TEST_F(spool_files, a_damaged_checkpoint_is_told_and_does_not_stop_the_start) {
    auto s = open();
    append(*s, 0, 10);
    carry_all(*s);
    EXPECT_FALSE(s->save(noon));
    s.reset();
    for (const auto& e : std::filesystem::directory_iterator(place / "spool"))
        if (e.path().string().ends_with(".sums")) std::ofstream(e.path(), std::ios::binary) << "SPWSUMS1 nonsense";
    auto next = open();
    ASSERT_TRUE(next);
    EXPECT_EQ(alarms.size(), 1U);
    EXPECT_FALSE(next->save(noon));
    next.reset();
    alarms.clear();
    open();
    EXPECT_TRUE(alarms.empty());
}

void cut_short(const std::filesystem::path& folder) {
    for (const auto& e : std::filesystem::directory_iterator(folder))
        if (e.path().string().ends_with(".frames")) std::filesystem::resize_file(e.path(), 0);
}

TEST_F(spool_files, a_file_that_is_cut_short_ends_nothing) {
    auto s = open();
    append(*s, 0, 100);
    cut_short(place / "spool");
    append(*s, 100, 300);
    s->tend(time_point{}, true);
    ASSERT_EQ(alarms.size(), 1U);
    EXPECT_NE(alarms.front().find("cut short"), std::string::npos);
    const auto ids = carry_all(*s);
    for (std::uint64_t n = 120; n < 300; ++n) EXPECT_EQ(ids.count(record_of(n).id), 1U) << n;
}

TEST_F(spool_files, what_a_cut_took_is_counted_as_lost_and_waits_no_longer) {
    auto s = open("spool", 1 << 20);
    append(*s, 0, 100);
    cut_short(place / "spool");
    std::uint64_t n = 100;
    std::size_t came = 0;
    // Until the segment that was cut is behind the carrier.
    for (int segments = 0; segments < 3 && n < 100'000; ++n) {
        const auto before = files("spool", ".frames");
        append(*s, n, n + 1);
        s->tend(time_point{}, false);
        segments += files("spool", ".frames") != before ? 1 : 0;
        came += carry_all(*s).size();
    }
    EXPECT_EQ(s->waiting(), 0U);
    EXPECT_EQ(came + s->lost(), n);
    EXPECT_GT(s->lost(), 0U);
}

TEST_F(spool_files, what_an_earlier_process_left_may_be_cut_short_while_it_is_read) {
    {
        auto s = open();
        append(*s, 0, 300);
        crash("spool", "other");
        carry_all(*s);
        s->save(noon);
    }
    auto s = open("other");
    cut_short(place / "other");
    EXPECT_LE(carry_all(*s).size(), 300U);
}

}  // namespace spool_test
}  // namespace spillway::ledger
