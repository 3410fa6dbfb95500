#include <spillway/net/name_schedule.hpp>

#include <gtest/gtest.h>

namespace spillway::net {
namespace {

using kind = name_answer::kind;

class schedule : public ::testing::Test {
protected:
    void watch(const std::vector<std::string>& names, duration refresh = seconds(30)) {
        std::map<std::string, duration> all;
        for (const auto& n : names) all[n] = refresh;
        s.watch(all, now);
    }
    static std::vector<std::string> many(std::size_t n, const std::string& what = "a") {
        std::vector<std::string> out;
        for (std::size_t i = 0; i < n; ++i) out.push_back(what + std::to_string(10000 + i));
        return out;
    }
    static name_answer found(std::vector<std::string> ips, std::optional<duration> ttl = std::nullopt) {
        name_answer out{.what = kind::found, .addresses = {}, .ttl = ttl, .why = {}};
        for (const auto& ip : ips) out.addresses.push_back(*address::parse(ip + ":0"));
        return out;
    }
    bool fail(const std::string& name, double chance = 0) {
        return s.finish(name, {.addresses = {}, .ttl = {}, .why = "no answer"}, now, chance);
    }
    std::vector<std::string> all_due() {
        std::vector<std::string> out;
        while (auto n = s.next(now)) out.push_back(*n);
        return out;
    }
    // Seconds until the name is due, when it alone is watched.
    double due_in() const { return std::chrono::duration<double>(s.wake(now) - now).count(); }

    name_schedule s;
    time_point now{hours(1000)};
};

TEST_F(schedule, takes_whoever_is_due_longest_not_first_by_alphabet) {
    watch({"z"});
    now += seconds(1);
    watch({"a", "b", "z"});
    EXPECT_EQ(all_due(), (std::vector<std::string>{"z", "a", "b"}));
}

TEST_F(schedule, success_is_due_again_by_its_ttl) {
    struct row {
        std::optional<duration> ttl;
        duration refresh;
        double wanted;
    };
    for (const auto& [ttl, refresh, wanted] :
         {row{seconds(10), seconds(30), 10}, row{seconds(300), seconds(30), 30}, row{std::nullopt, seconds(30), 30},
          row{seconds(0), seconds(30), 5}, row{seconds(1), seconds(30), 5}, row{seconds(0), seconds(1), 1},
          row{seconds(600), hours(1), 600}}) {
        s = {};
        watch({"a"}, refresh);
        s.next(now);
        EXPECT_TRUE(s.finish("a", found({"192.0.2.1"}, ttl), now, 0));
        EXPECT_DOUBLE_EQ(due_in(), wanted);
    }
}

TEST_F(schedule, failures_back_off_up_to_refresh_and_a_minute) {
    for (const auto& [refresh, wanted] : {std::pair{seconds(30), std::vector<double>{2, 4, 8, 16, 30, 30}},
                                          {seconds(1), {1, 1, 1}},
                                          {seconds(3600), {2, 4, 8, 16, 32, 60, 60}}}) {
        s = {};
        watch({"a"}, refresh);
        for (const double pause : wanted) {
            ASSERT_TRUE(s.next(now));
            fail("a");
            EXPECT_DOUBLE_EQ(due_in(), pause);
            now += std::chrono::duration_cast<duration>(std::chrono::duration<double>(pause));
        }
        s.next(now);
        s.finish("a", found({"192.0.2.1"}), now, 0);
        now += refresh;
        s.next(now);
        fail("a");
        EXPECT_DOUBLE_EQ(due_in(), wanted.front()) << "a success forgets the failures before";
    }
}

TEST_F(schedule, chance_shortens_the_pause_by_a_quarter_at_most) {
    watch({"a"});
    s.next(now);
    fail("a", 0.999);
    EXPECT_NEAR(due_in(), 1.5, 0.01);
}

TEST_F(schedule, tells_what_is_new_and_keeps_addresses_over_failures) {
    watch({"a"});
    EXPECT_FALSE(s.addresses("a"));
    EXPECT_TRUE(fail("a")) << "the first look-up is told in any case";
    EXPECT_FALSE(fail("a"));
    EXPECT_TRUE(s.addresses("a")->empty());
    EXPECT_TRUE(s.finish("a", found({"192.0.2.1", "192.0.2.2"}), now, 0));
    EXPECT_FALSE(s.finish("a", found({"192.0.2.2", "192.0.2.1"}), now, 0)) << "another order is nothing new";
    EXPECT_FALSE(fail("a"));
    EXPECT_EQ(s.addresses("a")->size(), 2U);
    EXPECT_EQ(s.report(now)[0].failures_in_a_row, 1U);
    EXPECT_EQ(s.report(now)[0].last_error, "no answer");
    EXPECT_TRUE(s.finish("a", found({"192.0.2.3"}), now, 0));
    EXPECT_EQ(s.report(now)[0].last_error, "");
}

TEST_F(schedule, is_bounded_and_slow_ones_make_room) {
    watch(many(400));
    EXPECT_EQ(all_due().size(), name_schedule::most_prompt);
    EXPECT_EQ(s.wake(now), now + name_schedule::slow_after);
    now += name_schedule::slow_after;
    EXPECT_EQ(all_due().size(), name_schedule::most_prompt);
    for (int i = 0; i < 10; ++i) now += name_schedule::slow_after, all_due();
    std::size_t under_way = 0;
    for (const auto& n : many(400)) under_way += s.under_way(n) ? 1 : 0;
    EXPECT_EQ(under_way, name_schedule::most_at_once);
    EXPECT_EQ(s.wake(now), time_point::max()) << "an end of one of them decides";
    s.finish(many(1)[0], found({"192.0.2.1"}), now, 0);
    EXPECT_EQ(all_due().size(), 1U);
}

TEST_F(schedule, names_that_failed_take_at_most_half) {
    const auto sick = many(300);
    watch(sick);
    while (!all_due().empty()) {
        for (const auto& n : sick) fail(n);
        break;
    }
    for (const auto& n : sick) fail(n);
    now += seconds(60);
    EXPECT_EQ(all_due().size(), name_schedule::most_prompt_sick);
    for (int i = 0; i < 10; ++i) now += name_schedule::slow_after, all_due();
    auto all = sick;
    const auto good = many(20, "z");
    all.insert(all.end(), good.begin(), good.end());
    watch(all);
    EXPECT_EQ(all_due().size(), 20U) << "all good ones at once, behind 300 that never answer";
}

TEST_F(schedule, forgets_names_and_takes_shorter_refreshes_at_once) {
    watch({"a", "b"}, hours(1));
    all_due();
    s.finish("a", found({"192.0.2.1"}), now, 0);
    watch({"a"}, seconds(10));
    EXPECT_FALSE(s.under_way("b"));
    EXPECT_FALSE(s.finish("b", found({"192.0.2.1"}), now, 0));
    EXPECT_DOUBLE_EQ(due_in(), 10);
}

TEST_F(schedule, other_servers_are_asked_at_once_for_what_fails) {
    watch({"bad", "good", "new"});
    all_due();
    s.finish("good", found({"192.0.2.1"}), now, 0);
    fail("bad");
    s.ask_failed_again(now);
    EXPECT_EQ(all_due(), (std::vector<std::string>{"bad", "new"}));
}

}  // namespace
}  // namespace spillway::net
