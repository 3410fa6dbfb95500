#include <gtest/gtest.h>

#include <limits>

#include <spillway/base/random.hpp>

#include "redis_gateway.hpp"

// Figures that nobody can have spent: they shut nobody out and open nothing, wherever they come from.
namespace spillway::quota {
namespace impossible_figures_test {

using core::quota_limit;
using kind = verdict::kind;

constexpr time_point start = time_point(hours(5));
const wall_time noon = wall_time(std::chrono::sys_days(std::chrono::year(2026) / 11 / 26)) + hours(12);
constexpr auto most = std::numeric_limits<std::int64_t>::max(), least = std::numeric_limits<std::int64_t>::min();

config::quota money(std::int64_t nanos) {
    config::quota q;
    q.budget = config::budget{std::nullopt, nanos, config::period::day};
    return q;
}

TEST(impossible_figures, nobody_gives_back_more_than_nothing) {
    const auto s = std::move(open({}).value());
    const auto h = s->get("client:a", money(1'000));
    ASSERT_EQ(h->take({-5, -5'000}, start, noon).what, kind::granted);
    h->settle({-5, -5'000}, {-7, -70'000}, start, start, noon);
    EXPECT_EQ(h->look(start, noon).budget_money_nanos, 0);
    EXPECT_EQ(h->take({0, 1'001}, start, noon).limit, quota_limit::budget_money);
    ASSERT_EQ(h->take({0, 1'000}, start, noon).what, kind::granted);
    EXPECT_EQ(h->take({least, least}, start, noon).limit, quota_limit::budget_money) << "it is used up";
}

TEST(impossible_figures, sums_saturate_and_stay_shut) {
    const auto s = std::move(open({}).value());
    const auto h = s->get("client:a", money(most - 1));
    for (int i = 0; i < 3; ++i) {
        if (h->take({1, 1}, start, noon).what != kind::granted) break;
        h->settle({1, 1}, {most, most}, start, start, noon);
    }
    EXPECT_EQ(h->look(start, noon).budget_money_nanos, most);
    EXPECT_EQ(h->take({0, 0}, start, noon).limit, quota_limit::budget_money);
}

TEST(impossible_figures, whatever_is_reserved_and_settled_the_sums_are_those_of_exact_numbers) {
    random_source dice(5);
    const auto s = std::move(open({}).value());
    const auto h = s->get("client:a", money(most - 1));
    std::int64_t spent = 0;
    for (int i = 0; i < 5'000; ++i) {
        const auto any = [&dice] { return static_cast<std::int64_t>(dice.next()) >> (16 + dice.next() % 48); };
        const amounts estimate{any(), any()}, real{any(), any()};
        if (h->take(estimate, start, noon).what != kind::granted) continue;
        h->settle(estimate, real, start, start, noon);
        spent = add_sat(spent, std::max<std::int64_t>(real.money_nanos, 0));
        ASSERT_EQ(h->look(start, noon).budget_money_nanos, spent);
    }
    EXPECT_GT(spent, 0);
}

TEST(impossible_figures, a_bucket_owes_a_day_at_most) {
    const auto s = std::move(open({}).value());
    const auto h = s->get("client:a", rates(std::nullopt, 1'000'000));
    ASSERT_EQ(h->take({5'000, 0}, start, noon).what, kind::granted);
    h->settle({5'000, 0}, {most, 0}, start, start, noon);
    EXPECT_LE(h->take({1, 0}, start, noon).wait, hours(24) + minutes(1));
}

TEST(impossible_figures, a_debt_in_redis_that_nobody_can_have_is_forgiven) {
    redis_server redis;
    redis.say("HSET spillway:q:{client:shop}:s born 1 at 1 r 4611686018427384464 t 4611686018427384464");
    redis.say("EXPIRE spillway:q:{client:shop}:s 34560000");
    const auto a = opened(redis.url(), "a", rates(6'000, 1'000'000));
    EXPECT_TRUE(eventually([&] {
        return a.take({1'000, 0}).what == kind::granted;
    })) << "it counts as empty, and fills again";
    EXPECT_LE(std::stol(redis.say("TTL spillway:q:{client:shop}:s")), 90'000);
}

TEST(impossible_figures, spending_in_redis_that_nobody_can_have_counts_as_none) {
    redis_server redis;
    const auto key = "spillway:q:{client:shop}:b:" + core::period_key(wall_clock::now(), config::period::month);
    redis.set_field(key, "b.1", "4611686018427384464 9223372036854775807 0 0 0");
    redis.set_field(key, "b.2", "-5 -9223372036854775807 0 0 0");
    const auto a = opened(redis.url(), "a", budget(10'000));
    EXPECT_EQ(a.take({10'001, 0}).limit, quota_limit::budget_tokens);
    ASSERT_EQ(a.take({10'000, 0}).what, kind::granted);
    a.settle({10'000, 0}, {10'000, 0});
    EXPECT_EQ(a.take({1, 0}).limit, quota_limit::budget_tokens);
    EXPECT_EQ(a.look().budget_tokens, 10'000);
}

}  // namespace impossible_figures_test
}  // namespace spillway::quota
