#include <gtest/gtest.h>

#include "redis_gateway.hpp"

// What gateways know from their ledgers, and Redis does not.
namespace spillway::quota {
namespace {

using core::quota_limit;
using kind = verdict::kind;

gateway seeded(const redis_server& redis, const std::string& name, std::int64_t seed) {
    return opened(redis.url(), name, budget(10'000), 3, {}, true, seed);
}

// Who has nothing to do does not listen; a request that is too large for any budget makes a gateway do so.
bool settles_at(std::int64_t tokens, const gateway& a, const gateway& b) {
    return eventually(
        [&] {
            for (const auto* g : {&a, &b}) g->h->take({20'000, 0}, clock::now(), wall_clock::now());
            return a.look().budget_tokens == tokens && b.look().budget_tokens == tokens;
        },
        seconds(3));
}

void spend(const gateway& g, std::int64_t tokens) {
    ASSERT_EQ(g.take({tokens, 0}).what, kind::granted);
    g.settle({tokens, 0}, {tokens, 0});
}

TEST(redis_seed, what_was_spent_before_redis_counted_is_told_without_a_request) {
    redis_server redis;
    const auto a = seeded(redis, "a", 6000);
    const auto b = seeded(redis, "b", 3000);
    EXPECT_TRUE(eventually([&] { return b.look().budget_tokens == 9000; }, seconds(2)));
    EXPECT_TRUE(settles_at(9000, a, b)) << a.look().budget_tokens << ' ' << b.look().budget_tokens;
    EXPECT_EQ(a.take({1001, 0}).limit, quota_limit::budget_tokens);
    EXPECT_EQ(b.take({1001, 0}).limit, quota_limit::budget_tokens);
    spend(b, 600);
    spend(a, 300);
    EXPECT_TRUE(settles_at(9900, a, b)) << a.look().budget_tokens << ' ' << b.look().budget_tokens;
    EXPECT_EQ(b.take({101, 0}).limit, quota_limit::budget_tokens);
    EXPECT_EQ(b.take({100, 0}).what, kind::granted);
}

TEST(redis_seed, what_processes_before_published_does_not_count_twice) {
    redis_server redis;
    const auto b = seeded(redis, "b", 0);
    {
        const auto old = seeded(redis, "a", 0);
        spend(old, 7000);
    }
    const auto a = seeded(redis, "a", 7000);
    spend(b, 400);
    spend(a, 100);
    EXPECT_TRUE(settles_at(7500, a, b)) << a.look().budget_tokens << ' ' << b.look().budget_tokens;
    EXPECT_EQ(a.take({2501, 0}).limit, quota_limit::budget_tokens);
    EXPECT_EQ(b.take({2500, 0}).what, kind::granted);
}

TEST(redis_seed, a_process_that_is_remembered_late_does_not_count_beside_the_seed) {
    redis_server redis;
    const auto b = seeded(redis, "b", 0);
    auto old = seeded(redis, "a", 0);
    spend(old, 7000);
    ASSERT_EQ(b.take({9000, 0}).limit, quota_limit::budget_tokens);
    ASSERT_EQ(b.look().budget_tokens, 7000);
    // Until nobody says anything any more.
    ASSERT_TRUE(eventually([&] {
        const auto trips = b.s->look().round_trips;
        std::this_thread::sleep_for(milliseconds(300));
        return b.s->look().round_trips == trips;
    }));
    old = {};
    redis.say("FLUSHALL");
    const auto a = seeded(redis, "a", 7000);
    spend(a, 500);
    const auto key = redis.say("KEYS *:b:*").substr(0, 34);
    ASSERT_TRUE(eventually([&] { return redis.say("HGET " + key + " a.").starts_with("7500 "); }))
        << redis.say("HGETALL " + key);
    spend(b, 300);
    ASSERT_TRUE(eventually([&] { return redis.say("HLEN " + key) == "4"; })) << redis.say("HGETALL " + key);
    spend(a, 200);
    EXPECT_TRUE(settles_at(8000, a, b)) << a.look().budget_tokens << ' ' << b.look().budget_tokens;
    EXPECT_EQ(a.take({2001, 0}).limit, quota_limit::budget_tokens);
    EXPECT_EQ(b.take({2000, 0}).what, kind::granted) << "decided in Redis: little is left";
}

TEST(redis_seed, what_redis_has_holds_when_the_ledger_is_lost) {
    redis_server redis;
    {
        const auto old = seeded(redis, "a", 6000);
        spend(old, 500);
        const auto key = redis.say("KEYS *:b:*").substr(0, 34);
        ASSERT_TRUE(eventually([&] { return redis.say("HGET " + key + " a.").starts_with("6500 "); }));
    }
    const auto a = seeded(redis, "a", 0);
    const auto b = seeded(redis, "b", 0);
    spend(a, 100);
    ASSERT_EQ(b.take({9000, 0}).limit, quota_limit::budget_tokens);
    EXPECT_TRUE(settles_at(6600, a, b)) << a.look().budget_tokens << ' ' << b.look().budget_tokens;
}

TEST(redis_seed, a_budget_that_comes_with_a_reload_begins_with_the_newest_seed) {
    redis_server redis;
    const auto b = seeded(redis, "b", 0);
    const auto a = opened(redis.url(), "a", {});
    const auto began = clock::now();
    spend(a, 4000);
    ASSERT_EQ(a.take_at({500, 0}, began, wall_clock::now()).what, kind::granted) << "is under way at the reload";
    const auto month = core::period_key(wall_clock::now(), config::period::month);
    a.s->seed("client:shop", month, 1, 0);
    a.s->seed("client:shop", month, 4000, 0);
    a.s->get("client:shop", budget(10'000));
    ASSERT_EQ(b.take({9000, 0}).limit, quota_limit::none) << "not a word so far";
    b.h->give_back({9000, 0}, clock::now(), clock::now(), wall_clock::now());
    a.h->settle({500, 0}, {700, 0}, began, clock::now(), wall_clock::now());
    EXPECT_TRUE(settles_at(4700, a, b)) << a.look().budget_tokens << ' ' << b.look().budget_tokens;
    EXPECT_EQ(a.take({5301, 0}).limit, quota_limit::budget_tokens);
    EXPECT_EQ(a.take({5300, 0}).what, kind::granted) << "what was under way had reserved nothing";
}

}  // namespace
}  // namespace spillway::quota
