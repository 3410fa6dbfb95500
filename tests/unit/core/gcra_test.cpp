#include <gtest/gtest.h>

#include <spillway/base/random.hpp>
#include <spillway/core/gcra.hpp>

namespace spillway::core {
namespace gcra_test {

constexpr time_point start = time_point(hours(1000));

// What is granted in that time to somebody who wants all that there is, `units` at once.
std::int64_t saturate(const gcra& g, std::int64_t units, duration time, duration step) {
    auto s = gcra::full;
    std::int64_t granted = 0;
    for (auto now = start; now < start + time; now += step) {
        for (;;) {
            const auto out = g.take(s, units, now);
            if (!out.granted) break;
            s = out.after;
            granted += units;
        }
    }
    return granted;
}

TEST(gcra, grants_the_burst_at_once_and_then_the_rate) {
    const gcra g(60, seconds(30));
    auto s = gcra::full;
    for (int i = 0; i < 30; ++i) {
        const auto out = g.take(s, 1, start);
        ASSERT_TRUE(out.granted) << i;
        s = out.after;
    }
    const auto out = g.take(s, 1, start);
    EXPECT_FALSE(out.granted);
    EXPECT_EQ(out.wait, seconds(1));
    EXPECT_EQ(out.after, s);
    EXPECT_FALSE(g.take(s, 1, start + seconds(1) - nanoseconds(1)).granted);
    EXPECT_TRUE(g.take(s, 1, start + seconds(1)).granted);
}

TEST(gcra, tells_what_is_left_and_when_it_is_full_again) {
    const gcra g(1000, seconds(30));
    EXPECT_EQ(g.capacity(), 500);
    EXPECT_EQ(g.left(gcra::full, start), 500);
    EXPECT_EQ(g.until_full(gcra::full, start), duration(0));
    const auto s = g.take(gcra::full, 400, start).after;
    EXPECT_EQ(g.left(s, start), 100);
    EXPECT_EQ(g.used(s, start), 400);
    EXPECT_EQ(g.until_full(s, start), seconds(24));
    EXPECT_EQ(g.left(s, start + seconds(6)), 200);
    EXPECT_EQ(g.left(s, start + hours(9)), 500);
}

TEST(gcra, what_is_left_is_granted_and_one_more_is_not) {
    random_source dice(7);
    for (int i = 0; i < 2000; ++i) {
        const auto rate = std::int64_t{1} + static_cast<std::int64_t>(dice.next() % 1'000'000'000'000U);
        const gcra g(rate, seconds(1 + dice.below(60)));
        const auto s = g.take(gcra::full, g.capacity() / 2, start).after;
        const auto now = start + milliseconds(dice.below(1000));
        const auto left = g.left(s, now);
        if (left < g.capacity()) {
            EXPECT_TRUE(left == 0 || g.take(s, left, now).granted) << rate;
            EXPECT_FALSE(g.take(s, left + 1, now).granted) << rate;
        }
    }
}

TEST(gcra, more_than_the_burst_wants_a_full_bucket_and_leaves_a_debt) {
    const gcra g(1000, seconds(30));
    const auto used = g.take(gcra::full, 1, start).after;
    const auto early = g.take(used, 2000, start);
    EXPECT_FALSE(early.granted);
    EXPECT_EQ(early.wait, milliseconds(60)) << "until the bucket is full";
    const auto large = g.take(used, 2000, start + early.wait);
    ASSERT_TRUE(large.granted);
    EXPECT_EQ(g.left(large.after, start + early.wait), 0);
    EXPECT_EQ(g.take(large.after, 1, start + early.wait).wait, seconds(90) + milliseconds(60));
    const gcra slow(1, seconds(30));
    EXPECT_EQ(slow.capacity(), 0);
    EXPECT_EQ(slow.left(gcra::full, start), 1);
    const auto one = slow.take(gcra::full, 1, start);
    ASSERT_TRUE(one.granted);
    EXPECT_EQ(slow.take(one.after, 1, start).wait, minutes(1));
}

TEST(gcra, settles_by_difference_never_above_full_and_into_debt_that_ends) {
    const gcra g(6000, seconds(30));
    const auto s = g.take(gcra::full, 1000, start).after;
    EXPECT_EQ(g.left(g.settle(s, 1000, 400, start), start), 2600);
    EXPECT_EQ(g.left(g.settle(s, 1000, 1500, start), start), 1500);
    EXPECT_EQ(g.settle(s, 1000, 1000, start), s);
    const auto late = start + minutes(1);
    EXPECT_EQ(g.left(g.settle(s, 1000, 0, late), late), 3000);
    EXPECT_EQ(g.left(g.settle(gcra::full, 1000, 0, late), late), 3000);
    const auto debt = g.settle(s, 0, 60'000, start);
    EXPECT_EQ(g.left(debt, start), 0);
    EXPECT_EQ(g.take(debt, 1, start).wait, minutes(10) - seconds(20) + milliseconds(10));
    const auto absurd = g.settle(s, 0, std::numeric_limits<std::int64_t>::max(), start);
    EXPECT_LE(g.until_full(absurd, start), gcra::longest_debt + minutes(1));
    EXPECT_LE(g.until_full(g.settle(absurd, 0, 60'000, start), start), gcra::longest_debt + minutes(1));
}

TEST(gcra, keeps_the_rate_within_a_thousandth_from_one_to_a_billion_billion_a_minute) {
    struct row {
        std::int64_t rate, units;
        duration step;
    };
    for (const auto& [rate, units, step] :
         {row{60, 1, milliseconds(100)}, row{7, 1, milliseconds(100)}, row{1'000'000, 1234, milliseconds(3)},
          row{1'000'000'000, 99'991, milliseconds(7)}, row{1'000'000'000'000, 77'777'777, milliseconds(7)}}) {
        const gcra g(rate, milliseconds(100));
        const double hour = static_cast<double>(rate) * 60;
        const double slack = hour * 0.001 + static_cast<double>(units);
        EXPECT_NEAR(static_cast<double>(saturate(g, units, hours(1), step)), hour, slack) << rate;
    }
}

TEST(gcra, an_hour_with_the_usual_burst_is_within_one_percent) {
    const gcra g(60'000, seconds(30));
    const auto granted = static_cast<double>(saturate(g, 100, hours(1), milliseconds(50)));
    EXPECT_GE(granted, 3'600'000);
    EXPECT_LE(granted, 3'600'000 * 1.01);
}

}  // namespace gcra_test
}  // namespace spillway::core
