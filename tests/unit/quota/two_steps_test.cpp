#include <gtest/gtest.h>

#include "redis_gateway.hpp"

// A request whose size is not known yet: it is let in with nothing, and takes its tokens and its money later.
namespace spillway::quota {
namespace two_steps_test {

using core::quota_limit;
using kind = verdict::kind;

constexpr time_point start = time_point(hours(5));
const wall_time noon = wall_time(std::chrono::sys_days(std::chrono::year(2026) / 11 / 26)) + hours(12);

config::quota all(std::uint32_t concurrent, std::uint32_t requests, std::uint64_t tokens, std::uint64_t budget) {
    config::quota q;
    q.concurrent = concurrent;
    q.requests_per_minute = requests;
    q.tokens_per_minute = tokens;
    q.budget = config::budget{budget, std::nullopt, config::period::day};
    return q;
}

std::unique_ptr<store> memory() {
    opening with;
    with.settings.burst = seconds(30);
    return std::move(open(std::move(with)).value());
}

TEST(two_steps, the_first_takes_a_permit_and_a_request_the_second_only_the_rest) {
    const auto s = memory();
    const auto h = s->get("client:a", all(1, 60, 60'000, 50'000));
    ASSERT_EQ(h->take({}, start, noon).what, kind::granted);
    EXPECT_EQ(h->take({}, start, noon).limit, quota_limit::concurrent);
    EXPECT_EQ(h->remaining(start).requests, 29);
    EXPECT_EQ(h->remaining(start).tokens, 30'000);
    const auto later = start + seconds(20);
    ASSERT_EQ(h->take_rest({10'000, 0}, start, noon, later).what, kind::granted);
    EXPECT_EQ(h->remaining(later).requests, 30) << "no second request was taken, and one has flowed back";
    EXPECT_EQ(h->remaining(later).tokens, 20'000);
    h->settle({10'000, 0}, {7'000, 0}, start, later, noon + seconds(20));
    EXPECT_EQ(h->remaining(later).tokens, 23'000);
    EXPECT_EQ(h->look(later, noon).budget_tokens, 7'000);
    EXPECT_EQ(h->look(later, noon).concurrent, 0);
}

TEST(two_steps, a_second_step_that_is_refused_leaves_the_first) {
    const auto s = memory();
    const auto h = s->get("client:a", all(2, 60, 60'000, 5'000));
    ASSERT_EQ(h->take({}, start, noon).what, kind::granted);
    EXPECT_EQ(h->take_rest({5'001, 0}, start, noon, start).limit, quota_limit::budget_tokens);
    EXPECT_EQ(h->look(start, noon).concurrent, 1);
    EXPECT_EQ(h->remaining(start).tokens, 30'000);
    h->give_back({}, start, start, noon);
    EXPECT_EQ(h->look(start, noon).concurrent, 0);
    EXPECT_EQ(h->remaining(start).requests, 30);
    ASSERT_EQ(h->take({5'000, 0}, start, noon).what, kind::granted) << "nothing of the budget is held";
}

TEST(two_steps, its_budget_is_that_of_the_day_on_which_it_began) {
    const auto s = memory();
    const auto h = s->get("client:a", all(2, 60, 60'000, 50'000));
    const auto midnight = noon + hours(12);
    ASSERT_EQ(h->take({}, start, midnight - seconds(5)).what, kind::granted);
    ASSERT_EQ(h->take_rest({1'000, 0}, start, midnight - seconds(5), start + seconds(10)).what, kind::granted);
    h->settle({1'000, 0}, {900, 0}, start, start + seconds(20), midnight + seconds(15));
    EXPECT_EQ(h->look(start, midnight - seconds(1)).budget_tokens, 900);
    EXPECT_EQ(h->look(start, midnight + seconds(15)).budget_tokens, 0);
}

verdict rest(const gateway& g, amounts a) {
    const auto now = clock::now();
    const auto wall = wall_clock::now();
    const auto v = g.h->take_rest(a, now, wall, now);
    if (v.what != kind::ask) return v;
    auto answer = std::make_shared<std::promise<verdict>>();
    auto told = answer->get_future();
    g.h->ask_rest(a, now, wall, now, [answer](verdict late) { answer->set_value(late); });
    return told.get();
}

TEST(two_steps, with_redis_the_same) {
    redis_server redis;
    const auto a = opened(redis.url(), "a", all(1, 60'000, 60'000, 50'000), 1);
    ASSERT_EQ(a.take({}).what, kind::granted);
    EXPECT_EQ(a.take({}).limit, quota_limit::concurrent);
    ASSERT_EQ(rest(a, {1'900, 0}).what, kind::granted);
    EXPECT_EQ(a.look().concurrent, 1);
    EXPECT_EQ(rest(a, {2'000, 0}).limit, quota_limit::tokens) << "more than what flows back in a moment";
    EXPECT_EQ(a.look().concurrent, 1);
    a.settle({1'900, 0}, {1'000, 0});
    EXPECT_EQ(a.look().concurrent, 0);
    EXPECT_EQ(a.look().budget_tokens, 1'000);
    EXPECT_EQ(a.take({}).what, kind::granted);
}

TEST(two_steps, with_redis_a_budget_is_asked_for_the_rest) {
    redis_server redis;
    const auto a = opened(redis.url(), "a", budget(1'000), 1);
    ASSERT_EQ(a.take({}).what, kind::granted);
    EXPECT_EQ(rest(a, {1'001, 0}).limit, quota_limit::budget_tokens);
    ASSERT_EQ(rest(a, {1'000, 0}).what, kind::granted);
    a.settle({1'000, 0}, {1'000, 0});
    EXPECT_EQ(a.look().budget_tokens, 1'000);
    EXPECT_EQ(a.take({}).limit, quota_limit::budget_tokens);
}

TEST(two_steps, without_redis_its_own_share_decides) {
    redis_server redis;
    const auto a = opened(redis.url(), "a", all(2, 600, 6'000, 50'000), 2);
    redis.kill();
    ASSERT_TRUE(eventually([&] { return a.take({}).what == kind::refused || !a.s->look().up; }));
    ASSERT_TRUE(eventually([&] { return !a.s->look().up; }));
    EXPECT_EQ(rest(a, {100, 0}).what, kind::granted);
    EXPECT_EQ(rest(a, {3'000, 0}).limit, quota_limit::tokens);
}

}  // namespace two_steps_test
}  // namespace spillway::quota
