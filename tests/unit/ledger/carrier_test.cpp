#include "../../../src/ledger/carrier.hpp"

#include <fstream>
#include <functional>
#include <map>

#include <gtest/gtest.h>

#include "record_kit.hpp"

namespace spillway::ledger {
namespace {

const wall_time noon{std::chrono::duration_cast<wall_clock::duration>(microseconds(noon_us))};

// What a store that can be told to fail has taken; outlives its connections.
struct disk {
    std::map<core::record_id, std::uint64_t> rows;
    bool away{false}, down{false}, settle_fails{false}, unreachable{false};
    int writes_until_away{-1};  // then the connection breaks once
    bool after_commit{false};   // and does so when the batch is in already
    std::uint64_t refused_prompt{0};
    std::function<bool(const core::usage_record&)> refuses;  // instead of, or beside, that one
    int opened{0}, compactions{0}, controls{0}, writes{0};
};

class fake_store final : public usage_store {
public:
    explicit fake_store(disk& d) : disk_(d) {}
    std::optional<fault> write(std::span<const core::usage_record> records) override {
        const fault gone{store_away, origin::gateway, 503, "gone"};
        ++disk_.writes;
        const bool breaks = disk_.writes_until_away == 0;
        if (disk_.writes_until_away >= 0) --disk_.writes_until_away;
        if (disk_.down || (breaks && !disk_.after_commit)) return gone;
        for (const auto& r : records)
            if (auto f = refusal(r)) return f;
        for (const auto& r : records) disk_.rows.emplace(r.id, r.tokens.prompt);
        if (breaks) return gone;
        return std::nullopt;
    }
    std::optional<fault> try_out(const core::usage_record& control) override {
        ++disk_.controls;
        return refusal(control);
    }
    std::optional<fault> reach() override {
        if (disk_.unreachable) return fault{store_away, origin::gateway, 503, "no answer"};
        return std::nullopt;
    }
    std::optional<fault> settle() override {
        if (disk_.settle_fails) return fault{store_away, origin::gateway, 503, "cannot settle"};
        return std::nullopt;
    }
    result<bool> compact(wall_time, const config::usage_retention&) override { return ++disk_.compactions % 3 != 0; }

private:
    std::optional<fault> refusal(const core::usage_record& r) const {
        const bool one = disk_.refused_prompt != 0 && r.tokens.prompt == disk_.refused_prompt;
        if (!one && !(disk_.refuses && disk_.refuses(r))) return {};
        return fault{record_refused, origin::gateway, 500, "not this one"};
    }

    disk& disk_;
};

struct fixture : testing::Test {
    temporary_folder place;
    std::vector<std::string> alarms;
    disk there;
    time_point now{hours(1)};
    std::unique_ptr<spool> files = open();
    std::unique_ptr<carrier> mover = start();

    std::unique_ptr<spool> open() {
        auto opened = spool::open({place / "spool", 64 << 20, 1, [](const std::string&) {}});
        EXPECT_TRUE(opened);
        return std::move(*opened);
    }
    std::unique_ptr<carrier> start() {
        return std::make_unique<carrier>(
            *files, destination{"fake", "", {}},
            [this](const std::string&, const std::string&) -> result<std::unique_ptr<usage_store>> {
                ++there.opened;
                if (there.away) return fault{store_away, origin::gateway, 503, "no route"};
                return std::unique_ptr<usage_store>(new fake_store(there));
            },
            [this](std::string s) { alarms.push_back(std::move(s)); });
    }
    void append(std::uint64_t from, std::uint64_t to) {
        for (auto n = from; n < to; ++n) {
            ASSERT_TRUE(files->writer(0).append(record_of(n)));
            if (n % 1000 == 0) files->tend({}, false);
        }
    }
    duration step(duration later = milliseconds(25)) {
        now += later;
        return mover->step(now, noon);
    }
};
using carrying = fixture;

TEST_F(carrying, waits_for_a_store_that_is_away_and_tells_once_each_way) {
    there.away = true;
    append(0, 100);
    for (int i = 0; i < 200; ++i) step(milliseconds(100));
    EXPECT_EQ(alarms.size(), 1U);
    EXPECT_LT(there.opened, 12) << "backs off";
    EXPECT_FALSE(mover->now().up);
    EXPECT_FALSE(mover->now().last_error.empty());
    EXPECT_EQ(mover->now().oldest_us, record_of(0).time_us);
    EXPECT_EQ(files->waiting(), 100U);
    there.away = false;
    step(seconds(11));
    EXPECT_EQ(there.rows.size(), 100U);
    EXPECT_TRUE(mover->now().up);
    EXPECT_EQ(mover->now().oldest_us, 0);
    ASSERT_EQ(alarms.size(), 2U);
    EXPECT_NE(alarms[1].find("back"), std::string::npos);
}

TEST_F(carrying, a_store_is_back_when_it_answers_also_with_nothing_to_write) {
    there.settle_fails = there.unreachable = true;
    append(0, 1);
    for (int i = 0; i < 60; ++i) step(seconds(1));
    EXPECT_EQ(there.rows.size(), 1U);
    EXPECT_EQ(alarms.size(), 1U) << "opening it tells nothing: some stores connect only when they are needed";
    EXPECT_FALSE(mover->now().up);
    there.settle_fails = there.unreachable = false;
    for (int i = 0; i < 20; ++i) step(seconds(1));
    EXPECT_TRUE(mover->now().up);
    ASSERT_EQ(alarms.size(), 2U);
    EXPECT_NE(alarms[1].find("back"), std::string::npos);
}

TEST_F(carrying, a_store_that_opens_but_takes_nothing_is_one_outage) {
    there.down = true;
    append(0, 10);
    for (int i = 0; i < 50; ++i) step(seconds(1));
    EXPECT_EQ(alarms.size(), 1U);
    EXPECT_FALSE(mover->now().up);
    there.down = false;
    step(seconds(11));
    EXPECT_EQ(alarms.size(), 2U);
    EXPECT_EQ(there.rows.size(), 10U);
}

TEST_F(carrying, a_connection_that_breaks_before_or_after_the_commit_loses_and_doubles_nothing) {
    for (const bool after : {false, true}) {
        there.after_commit = after;
        there.writes_until_away = 0;
        const auto from = after ? 50U : 0U;
        append(from, from + 50);
        step();
        EXPECT_EQ(files->waiting(), 50U) << "not acknowledged, so not advanced";
        step(seconds(11));
        EXPECT_EQ(files->waiting(), 0U);
    }
    EXPECT_EQ(there.rows.size(), 100U);
    EXPECT_EQ(mover->now().written, 100U);
}

TEST_F(carrying, a_record_that_the_store_refuses_is_set_aside_and_the_others_go_on) {
    there.refused_prompt = 100 + 33;
    append(0, 100);
    step();
    EXPECT_EQ(there.rows.size(), 99U);
    EXPECT_EQ(files->waiting(), 0U);
    EXPECT_EQ(mover->now().refused, 1U);
    EXPECT_EQ(alarms.size(), 1U);
    std::size_t lines = 0;
    for (const auto& e : std::filesystem::directory_iterator(place / "spool")) {
        if (!e.path().filename().string().starts_with("rejected.")) continue;
        std::ifstream in(e.path());
        for (std::string line; std::getline(in, line); ++lines)
            EXPECT_NE(line.find("\"prompt_tokens\":133"), std::string::npos) << line;
    }
    EXPECT_EQ(lines, 1U);
}

TEST_F(carrying, a_store_that_goes_away_while_a_refused_record_is_sought_sees_all_again) {
    there.refused_prompt = 100 + 33;
    there.writes_until_away = 5;
    append(0, 100);
    step();
    EXPECT_EQ(files->waiting(), 100U);
    EXPECT_EQ(mover->now().refused, 0U);
    step(seconds(11));
    EXPECT_EQ(there.rows.size(), 99U);
    EXPECT_EQ(mover->now().refused, 1U);
}

// What a constraint, a trigger or a table without a partition for today does.
TEST_F(carrying, a_store_that_refuses_every_record_is_away_and_gets_all_of_them_later) {
    there.refuses = [](const auto&) { return true; };
    append(0, 200);
    for (int i = 0; i < 100; ++i) step(seconds(1));
    EXPECT_EQ(files->waiting(), 200U);
    EXPECT_EQ(mover->now().refused, 0U);
    EXPECT_FALSE(mover->now().up);
    EXPECT_NE(mover->now().last_error.find("refuses every record: not this one"), std::string::npos);
    EXPECT_EQ(alarms.size(), 1U);
    there.refuses = {};
    for (int i = 0; i < 20; ++i) step(seconds(1));
    EXPECT_EQ(there.rows.size(), 200U);
    EXPECT_TRUE(mover->now().up);
}

TEST_F(carrying, a_lone_record_is_not_to_blame_where_its_like_is_refused_too) {
    there.refuses = [](const auto& r) { return r.client == "chat"; };
    append(1, 2);  // of the client chat
    for (int i = 0; i < 30; ++i) step(seconds(1));
    EXPECT_EQ(files->waiting(), 1U);
    EXPECT_EQ(mover->now().refused, 0U);
    append(2, 3);  // of another client: it shows that the store takes records
    for (int i = 0; i < 30; ++i) step(seconds(1));
    EXPECT_EQ(files->waiting(), 0U);
    EXPECT_EQ(mover->now().refused, 1U);
    EXPECT_EQ(there.rows.size(), 1U);
    EXPECT_TRUE(mover->now().up);
}

TEST_F(carrying, a_lone_record_whose_own_text_is_refused_is_set_aside_at_once) {
    there.refuses = [](const auto& r) { return r.end_user == "poison"; };
    auto r = record_of(1);
    r.end_user = "poison";
    ASSERT_TRUE(files->writer(0).append(r));
    step();
    EXPECT_EQ(files->waiting(), 0U);
    EXPECT_EQ(mover->now().refused, 1U);
    EXPECT_TRUE(mover->now().up);
}

TEST_F(carrying, a_cause_that_goes_while_records_are_sought_blames_none) {
    append(0, 50);
    there.refuses = [this](const auto&) { return there.writes < 40; };
    step();
    EXPECT_EQ(there.rows.size(), 50U);
    EXPECT_EQ(mover->now().refused, 0U);
}

TEST_F(carrying, a_cause_that_comes_while_records_are_sought_blames_none) {
    there.refused_prompt = 149;  // the last one
    append(0, 50);
    there.refuses = [this](const auto&) { return there.writes > 4; };
    step();
    EXPECT_EQ(mover->now().refused, 0U);
    EXPECT_EQ(files->waiting(), 50U);
    there.refuses = {};
    step(seconds(11));
    EXPECT_EQ(mover->now().refused, 1U);
    EXPECT_EQ(there.rows.size(), 49U);
}

TEST_F(carrying, a_store_that_refuses_all_for_long_is_not_asked_for_each_record_each_time) {
    there.refuses = [](const auto&) { return true; };
    append(0, 5000);
    step();
    EXPECT_LT(there.writes, 40) << "a store that is to blame is known as such at once";
    EXPECT_FALSE(mover->now().up);
    for (int i = 0; i < 10; ++i) step(seconds(11));
    EXPECT_LT(there.writes, 10 * 520);
    there.refuses = [](const auto& r) { return r.tokens.prompt < 5000; };
    for (int i = 0; i < 10; ++i) step(seconds(11));
    EXPECT_EQ(there.rows.size(), 100U);
    EXPECT_EQ(mover->now().refused, 4900U) << "none of those that are asked each time, but found";
}

TEST_F(carrying, many_refused_records_are_one_line_a_minute) {
    there.refuses = [](const auto& r) { return r.end_user == "poison"; };
    for (std::uint64_t n = 0; n < 50; ++n) {
        auto r = record_of(n);
        r.end_user = "poison";
        ASSERT_TRUE(files->writer(0).append(r));
        append(1000 + n, 1001 + n);
        step(seconds(1));
    }
    EXPECT_EQ(alarms.size(), 1U);
    step(seconds(20));
    ASSERT_EQ(alarms.size(), 2U);
    EXPECT_NE(alarms[1].find("49 record(s)"), std::string::npos) << alarms[1];
    EXPECT_EQ(mover->now().aside.records, 50U);
    EXPECT_EQ(mover->now().aside.oldest_us, record_of(0).time_us);
    EXPECT_EQ(mover->now().aside.reason, "not this one");
}

TEST_F(carrying, refused_records_wait_while_they_cannot_be_set_aside) {
    there.refused_prompt = 100 + 3;
    append(0, 10);
    std::string owner;
    for (const auto& e : std::filesystem::directory_iterator(place / "spool"))
        if (e.path().extension() == ".lock") owner = e.path().stem().string();
    const auto blocked = place / ("spool/rejected." + owner + ".jsonl");
    std::filesystem::create_directory(blocked);
    for (int i = 0; i < 20; ++i) step(seconds(1));
    EXPECT_EQ(files->waiting(), 10U);
    EXPECT_FALSE(mover->now().up);
    std::filesystem::remove(blocked);
    for (int i = 0; i < 20; ++i) step(seconds(1));
    EXPECT_EQ(files->waiting(), 0U);
    EXPECT_EQ(mover->now().refused, 1U);
}

TEST_F(carrying, segments_stay_until_the_store_is_settled) {
    there.settle_fails = true;
    append(0, 60'000);  // more segments than are kept for later
    const auto full = files->bytes();
    for (int i = 0; i < 20; ++i) step(seconds(11));
    EXPECT_EQ(there.rows.size(), 60'000U);
    EXPECT_GE(files->bytes(), full);
    EXPECT_TRUE(files->unsaved());
    there.settle_fails = false;
    step(seconds(11));
    step(seconds(2));
    EXPECT_LT(files->bytes(), full);
    EXPECT_FALSE(files->unsaved());
}

TEST_F(carrying, compacts_in_steps_and_then_not_for_an_hour) {
    for (int i = 0; i < 100; ++i) step();
    EXPECT_EQ(there.compactions, 3);
    step(hours(1));
    EXPECT_EQ(there.compactions, 4);
}

TEST_F(carrying, records_of_an_earlier_start_are_delivered_after_an_outage) {
    there.away = true;
    append(0, 70);
    step();
    mover.reset();
    files.reset();
    files = open();
    mover = start();
    append(70, 100);
    step();
    there.away = false;
    step(seconds(11));
    EXPECT_EQ(there.rows.size(), 100U);
}

}  // namespace
}  // namespace spillway::ledger
