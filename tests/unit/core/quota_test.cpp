#include <gtest/gtest.h>

#include <limits>

#include <spillway/core/quota.hpp>

namespace spillway::core {
namespace {

using std::chrono::sys_days;
using std::chrono::year;

wall_time day(int y, unsigned m, unsigned d) { return sys_days(year(y) / static_cast<int>(m) / static_cast<int>(d)); }

TEST(quota, a_budget_admits_up_to_its_limit_and_nothing_once_it_is_used_up) {
    EXPECT_TRUE(within_budget(0, 100, 100));
    EXPECT_FALSE(within_budget(1, 100, 100));
    EXPECT_TRUE(within_budget(99, 0, 100));
    EXPECT_FALSE(within_budget(100, 0, 100)) << "what seems to cost nothing may cost something";
    EXPECT_FALSE(within_budget(150, 0, 100));
    EXPECT_FALSE(within_budget(0, 0, 0));
    EXPECT_FALSE(within_budget(1, std::numeric_limits<std::int64_t>::max(), 100));
}

TEST(quota, no_sum_makes_a_budget_endless_or_wraps) {
    constexpr auto most = std::numeric_limits<std::int64_t>::max(), least = std::numeric_limits<std::int64_t>::min();
    EXPECT_FALSE(within_budget(most, 1, most));
    EXPECT_TRUE(within_budget(least, most, most));
    EXPECT_FALSE(within_budget(100, least, 100)) << "a negative price does not open what is used up";
    EXPECT_TRUE(within_budget(99, least, 100));
}

TEST(quota, waits_until_the_next_calendar_period_in_utc) {
    const auto at = day(2026, 11, 26) + hours(18);  // a Thursday
    EXPECT_EQ(until_next_period(at, config::period::day), hours(6));
    EXPECT_EQ(until_next_period(at, config::period::week), hours(6 + 3 * 24));
    EXPECT_EQ(until_next_period(at, config::period::month), hours(6 + 4 * 24));
}

TEST(quota, numbers_of_periods_change_when_the_period_does_and_are_unlike_among_kinds) {
    for (const auto p : {config::period::day, config::period::week, config::period::month}) {
        auto at = day(2023, 12, 25);
        for (int i = 0; i < 800; ++i, at += hours(24)) {
            const auto next = at + until_next_period(at, p);
            ASSERT_EQ(period_number(next - seconds(1), p), period_number(at, p));
            ASSERT_EQ(period_number(next, p), period_number(at, p) + period_step);
            ASSERT_EQ(period_number(at, p) % period_step, static_cast<std::int64_t>(p));
        }
    }
}

TEST(quota, codes_and_statuses_are_those_of_the_reference) {
    EXPECT_EQ(code_of(quota_limit::concurrent), "TooManyConcurrentRequests");
    EXPECT_EQ(code_of(quota_limit::requests), "RateLimitExceeded");
    EXPECT_EQ(code_of(quota_limit::tokens), "RateLimitExceeded");
    EXPECT_EQ(code_of(quota_limit::budget_money), "BudgetExhausted");
    EXPECT_EQ(status_of(quota_limit::tokens), 429);
    EXPECT_EQ(status_of(quota_limit::budget_tokens), 403);
}

}  // namespace
}  // namespace spillway::core
