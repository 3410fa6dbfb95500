#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include <spillway/quota/holder.hpp>

namespace spillway::quota {
namespace memory_store_test {

using core::quota_limit;
using kind = verdict::kind;

constexpr time_point start = time_point(hours(5));
const wall_time noon = wall_time(std::chrono::sys_days(std::chrono::year(2026) / 11 / 26)) + hours(12);

std::unique_ptr<store> memory() {
    opening with;
    with.settings.burst = seconds(30);
    return std::move(open(std::move(with)).value());
}

config::quota requests(std::uint32_t n) {
    config::quota q;
    q.requests_per_minute = n;
    return q;
}

config::quota tokens(std::uint64_t n) {
    config::quota q;
    q.tokens_per_minute = n;
    return q;
}

config::quota daily(std::optional<std::uint64_t> tokens, std::optional<std::int64_t> money = std::nullopt) {
    config::quota q;
    q.budget = config::budget{tokens, money, config::period::day};
    return q;
}

TEST(memory_store, refuses_in_the_documented_order_and_takes_nothing_when_it_refuses) {
    const auto s = memory();
    config::quota q;
    q.concurrent = 1;
    q.requests_per_minute = 2;
    q.tokens_per_minute = 2000;
    q.budget = config::budget{1500, 1000, config::period::day};
    const auto h = s->get("client:a", q);
    ASSERT_EQ(h->take({400, 10}, start, noon).what, kind::granted);
    EXPECT_EQ(h->take({400, 10}, start, noon).limit, quota_limit::concurrent);
    h->settle({400, 10}, {400, 10}, start, start, noon);
    const auto second = h->take({400, 10}, start, noon);
    EXPECT_EQ(second.limit, quota_limit::requests);
    EXPECT_EQ(second.wait, seconds(30));
    EXPECT_EQ(second.of_limit, 2);

    q.requests_per_minute = 6000;
    EXPECT_EQ(s->get("client:a", q), h) << "same name, same counts";
    const auto large = h->take({900, 10}, start + seconds(2), noon);
    EXPECT_EQ(large.limit, quota_limit::tokens);
    EXPECT_EQ(large.wait, seconds(7)) << "300 missing at 2000 a minute, 2 s of them have passed";
    const auto dear = h->take({1, 991}, start + seconds(30), noon);
    EXPECT_EQ(dear.limit, quota_limit::budget_money);
    EXPECT_EQ(dear.wait, hours(12));
    EXPECT_EQ(h->take({1000, 990}, start + minutes(1), noon).limit, quota_limit::none);
}

TEST(memory_store, budget_of_tokens_is_looked_at_before_that_of_money) {
    const auto s = memory();
    const auto h = s->get("client:a", daily(100, 100));
    EXPECT_EQ(h->take({101, 101}, start, noon).limit, quota_limit::budget_tokens);
    EXPECT_EQ(h->take({100, 101}, start, noon).limit, quota_limit::budget_money);
    EXPECT_EQ(h->take({100, 100}, start, noon).what, kind::granted) << "what was refused has reserved nothing";
}

TEST(memory_store, settles_tokens_by_difference_and_keeps_what_a_refusal_elsewhere_gives_back) {
    const auto s = memory();
    const auto h = s->get("client:a", tokens(1000));
    ASSERT_EQ(h->take({500, 0}, start, noon).what, kind::granted);
    EXPECT_EQ(h->remaining(start).tokens, 0);
    h->settle({500, 0}, {100, 0}, start, start, noon);
    EXPECT_EQ(h->remaining(start).tokens, 400);
    EXPECT_EQ(h->remaining(start).limit_tokens, 1000);
    EXPECT_EQ(h->remaining(start).reset_tokens, seconds(6));
    EXPECT_FALSE(h->remaining(start).requests);
    ASSERT_EQ(h->take({400, 0}, start, noon).what, kind::granted);
    h->give_back({400, 0}, start, start, noon);
    EXPECT_EQ(h->remaining(start).tokens, 400);
    EXPECT_EQ(h->look(start, noon).concurrent, 0);
}

TEST(memory_store, a_request_is_booked_to_the_period_in_which_it_began) {
    const auto s = memory();
    const auto h = s->get("client:a", daily(1000));
    const auto midnight = noon + hours(12);
    ASSERT_EQ(h->take({400, 0}, start, midnight - seconds(1)).what, kind::granted);
    ASSERT_EQ(h->take({300, 0}, start + seconds(1), midnight).what, kind::granted);
    h->settle({400, 0}, {600, 0}, start, start + seconds(3), midnight + seconds(2));
    h->settle({300, 0}, {350, 0}, start + seconds(1), start + seconds(3), midnight + seconds(2));
    EXPECT_EQ(h->look(start, midnight - seconds(1)).budget_tokens, 600);
    EXPECT_EQ(h->look(start, midnight).budget_tokens, 350);
    EXPECT_EQ(h->look(start, midnight).period, "2026-11-27");
    EXPECT_EQ(h->take({651, 0}, start, midnight + seconds(3)).what, kind::refused);
    EXPECT_EQ(h->take({650, 0}, start, midnight + seconds(3)).what, kind::granted);
}

TEST(memory_store, a_period_that_comes_round_in_the_ring_begins_at_zero) {
    const auto s = memory();
    const auto h = s->get("client:a", daily(10));
    for (int day = 0; day < 12; ++day) {
        const auto wall = noon + hours(24 * day);
        ASSERT_EQ(h->take({10, 0}, start, wall).what, kind::granted) << day;
        ASSERT_EQ(h->take({1, 0}, start, wall).what, kind::refused) << day;
        h->settle({10, 0}, {10, 0}, start, start, wall);
    }
}

TEST(memory_store, seeds_count_as_spent_in_their_period_alone) {
    const auto s = memory();
    s->seed("client:a", "2026-11-26", 90, 7);
    const auto h = s->get("client:a", daily(100));
    EXPECT_EQ(h->look(start, noon).budget_tokens, 90);
    EXPECT_EQ(h->look(start, noon).budget_money_nanos, 7);
    EXPECT_EQ(h->take({11, 0}, start, noon).limit, quota_limit::budget_tokens);
    EXPECT_EQ(h->take({11, 0}, start, noon + hours(24)).what, kind::granted);
    EXPECT_EQ(s->get("client:b", daily(100))->look(start, noon).budget_tokens, 0);
}

TEST(memory_store, limits_change_in_place_and_what_is_under_way_stays_counted) {
    const auto s = memory();
    config::quota q;
    const auto h = s->get("client:a", q);
    ASSERT_EQ(h->take({1, 0}, start, noon).what, kind::granted);
    q.concurrent = 1;
    s->get("client:a", q);
    EXPECT_EQ(h->take({1, 0}, start, noon).limit, quota_limit::concurrent);
    h->settle({1, 0}, {1, 0}, start, start, noon);
    EXPECT_EQ(h->take({1, 0}, start, noon).what, kind::granted);
    EXPECT_EQ(h->look(start, noon).refused, 1U);
}

TEST(memory_store, lists_the_holders_that_somebody_uses) {
    const auto s = memory();
    const auto a = s->get("client:a", requests(5));
    s->get("client:b", requests(5));
    const auto all = s->holders(start, noon);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].name, "client:a");
    EXPECT_EQ(s->look().kind, "memory");
}

// Two threads and more on one holder: nothing may be granted twice, and what is left must add up.
TEST(memory_store, is_exact_when_all_cores_take_at_once) {
    constexpr int threads = 4;
    constexpr int rounds = 20'000;
    const auto s = memory();
    config::quota q;
    q.concurrent = 3;
    q.requests_per_minute = 60'000;
    q.tokens_per_minute = 300'000;
    q.budget = config::budget{120'000, 1'000'000'000, config::period::day};
    const auto h = s->get("group:g", q);
    std::atomic<std::int64_t> granted{0}, spent{0}, inside{0}, most_inside{0};
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t) {
        all.emplace_back([&, t] {
            for (int i = 0; i < rounds; ++i) {
                const amounts estimate{10, 20};
                if (h->take(estimate, start, noon).what != kind::granted) continue;
                const auto now_inside = ++inside;
                for (auto seen = most_inside.load();
                     seen < now_inside && !most_inside.compare_exchange_weak(seen, now_inside);) {
                }
                --inside;
                if ((i + t) % 3 == 0) {
                    h->give_back(estimate, start, start, noon);
                    continue;
                }
                ++granted;
                const amounts real{(i + t) % 2 == 0 ? 7 : 10, 11};
                spent += real.tokens;
                h->settle(estimate, real, start, start, noon);
            }
        });
    }
    for (auto& t : all) t.join();
    const auto end = h->look(start, noon);
    EXPECT_LE(most_inside, 3);
    EXPECT_EQ(end.concurrent, 0);
    EXPECT_EQ(end.budget_tokens, spent);
    EXPECT_EQ(end.budget_money_nanos, granted * 11);
    EXPECT_LE(spent, 120'000);
    EXPECT_GT(spent, 119'900) << "four threads want far more than there is";
    EXPECT_EQ(end.left.requests, 30'000 - granted);
    EXPECT_EQ(end.left.tokens, 150'000 - spent);
}

TEST(memory_store, a_bucket_grants_exactly_what_it_holds_to_many_threads) {
    const auto s = memory();
    const auto h = s->get("client:a", requests(20'000));
    std::atomic<int> granted{0};
    std::vector<std::thread> all;
    for (int t = 0; t < 4; ++t) {
        all.emplace_back([&] {
            for (int i = 0; i < 10'000; ++i) granted += h->take({}, start, noon).what == kind::granted ? 1 : 0;
        });
    }
    for (auto& t : all) t.join();
    EXPECT_EQ(granted, 10'000);
}

TEST(memory_store, a_clock_that_jumps_over_years_and_back_finds_what_was_spent) {
    const auto s = memory();
    s->seed("client:a", "2026-11-26", 100, 0);
    const auto h = s->get("client:a", daily(1000));
    ASSERT_EQ(h->take({700, 0}, start, noon).what, kind::granted);
    h->settle({700, 0}, {600, 0}, start, start, noon);
    ASSERT_EQ(h->take({50, 0}, start, noon).what, kind::granted);  // is under way all the time
    constexpr auto year = hours(24 * 365);
    for (const auto jump : {-40 * year, 200 * year, 3 * year, hours(4 * 24), hours(8 * 24)}) {
        ASSERT_EQ(h->take({10, 0}, start, noon + jump).what, kind::granted);
        h->settle({10, 0}, {10, 0}, start, start, noon + jump);
        EXPECT_EQ(h->look(start, noon).budget_tokens, 700);
    }
    EXPECT_EQ(h->take({251, 0}, start, noon).limit, quota_limit::budget_tokens);
    h->settle({50, 0}, {50, 0}, start, start, noon);
    EXPECT_EQ(h->take({250, 0}, start, noon).what, kind::granted);
}

}  // namespace memory_store_test
}  // namespace spillway::quota
