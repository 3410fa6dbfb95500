#include <gtest/gtest.h>

#include "../../../src/ledger/spending.hpp"

namespace spillway::ledger {
namespace spending_test {

const wall_time noon = wall_time(std::chrono::sys_days(std::chrono::year(2026) / 11 / 26)) + hours(12);

core::usage_record spending_of(std::uint64_t prompt, std::int64_t price) {
    core::usage_record r;
    r.time_us = std::chrono::duration_cast<microseconds>(noon.time_since_epoch()).count();
    r.client = "shop";
    r.pool = "main";
    r.tokens.prompt = prompt;
    r.price_nanos = price;
    return r;
}

TEST(spending, what_cannot_be_counts_as_nothing_and_is_told) {
    spending all;
    all.add(spending_of(100, 7));
    all.add(spending_of(4'611'686'018'427'384'464, 8));
    all.add(spending_of(10, -7'500'000'000));
    const auto now = all.running(noon);
    EXPECT_EQ(now.at("shop|main|2026-11").tokens, 100U);
    EXPECT_EQ(now.at("shop|main|2026-11").money_nanos, 7);
    EXPECT_EQ(all.impossible(), 2U);
}

TEST(spending, a_sum_of_before_that_cannot_be_is_forgotten) {
    spending earlier;
    const auto day =
        static_cast<std::int32_t>(std::chrono::floor<std::chrono::days>(noon).time_since_epoch().count());
    earlier.add("shop", "main", {config::period::day, day, {std::uint64_t{1} << 62, 5}});
    earlier.add("shop", "other", {config::period::day, day, {500, -5}});
    earlier.add("shop", "third", {config::period::day, day, {500, 5}});
    spending all;
    all.add(earlier);
    EXPECT_EQ(all.impossible(), 2U);
    const auto now = all.running(noon);
    ASSERT_EQ(now.size(), 1U);
    EXPECT_EQ(now.at("shop|third|2026-11-26").tokens, 500U);
}

}  // namespace spending_test
}  // namespace spillway::ledger
