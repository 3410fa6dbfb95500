#include <gtest/gtest.h>

#include <map>

#include <spillway/base/text.hpp>
#include <spillway/core/ewma.hpp>

#include "fake_pool.hpp"

namespace spillway::core {
namespace selection_test {

constexpr time_point now = time_point(hours(1));

std::map<std::size_t, int> picks(const std::vector<plan_member>& members, fake_pool& view, balancer algorithm, int n,
                                 config::preference prefer = {}) {
    const auto plan = make_plan(members, prefer, algorithm);
    auto state = make_balancer_state(plan);
    random_source random(7);
    std::map<std::size_t, int> out;
    for (int i = 0; i < n; ++i)
        if (const auto s = select(plan, {}, view, state, now, random); s.backend) ++out[*s.backend];
    return out;
}

TEST(balancers, all_have_a_name) {
    for (const auto name : balancer_names()) EXPECT_NE(find_balancer(name), nullptr) << name;
    EXPECT_EQ(find_balancer("nonsense"), nullptr);
}

TEST(weighted_random, shares_by_weight) {
    fake_pool view(2);
    const auto got = picks({{1, 90}, {1, 10}}, view, &weighted_random, 10'000);
    EXPECT_NEAR(got.at(0), 9000, 150);
    EXPECT_NEAR(got.at(1), 1000, 150);
}

TEST(weighted_random, weight_zero_gets_nothing) {
    fake_pool view(2);
    EXPECT_EQ(picks({{1, 0}, {1, 1}}, view, &weighted_random, 100).at(1), 100);
}

TEST(round_robin, spreads_a_heavy_backend_between_light_ones) {
    fake_pool view(3);
    const auto plan = make_plan(std::vector<plan_member>{{1, 5}, {1, 1}, {1, 1}}, {}, find_balancer("round_robin"));
    auto state = make_balancer_state(plan);
    random_source random(1);
    std::vector<std::size_t> order;
    for (int i = 0; i < 7; ++i) order.push_back(*select(plan, {}, view, state, now, random).backend);
    EXPECT_EQ(order, (std::vector<std::size_t>{0, 0, 1, 0, 2, 0, 0}));
}

TEST(least_outstanding, counts_requests_for_the_weight) {
    fake_pool view(3);
    view.backends[0].outstanding = 4;
    view.backends[1].outstanding = 5;
    view.backends[2].outstanding = 9;
    // (4+1)/1, (5+1)/2, (9+1)/1
    EXPECT_EQ(picks({{1, 1}, {1, 2}, {1, 1}}, view, find_balancer("least_outstanding"), 50).at(1), 50);
}

TEST(least_outstanding, equals_share) {
    fake_pool view(4);
    const auto got = picks(std::vector<plan_member>(4, {1, 1}), view, find_balancer("least_outstanding"), 4000);
    for (const auto& [backend, n] : got) EXPECT_NEAR(n, 1000, 150) << backend;
}

TEST(least_outstanding, compares_two_of_many) {
    fake_pool view(100);
    for (std::size_t i = 0; i < 100; ++i) view.backends[i].outstanding = static_cast<std::uint32_t>(i);
    const auto got = picks(std::vector<plan_member>(100, {1, 1}), view, find_balancer("least_outstanding"), 10'000);
    EXPECT_GT(got.size(), 50U);
    EXPECT_EQ(got.count(99), 0U);
}

TEST(peak_ewma, prefers_the_fast_and_tries_the_unknown) {
    fake_pool view(3);
    view.backends[0].latency = 2.0;
    view.backends[1].latency = 0.1;
    const auto got = picks(std::vector<plan_member>(3, {1, 1}), view, find_balancer("peak_ewma"), 1000);
    EXPECT_EQ(got.count(0), 0U);
    EXPECT_GT(got.at(1), 300);
    EXPECT_GT(got.at(2), 300);
}

TEST(peak_latency, worse_counts_at_once_and_silence_forgives) {
    peak_latency l;
    l = l.with(0.1, now);
    l = l.with(1.0, now + seconds(1));
    EXPECT_DOUBLE_EQ(l.now_is(now + seconds(1)), 1.0);
    const auto better = l.with(0.1, now + seconds(2));
    EXPECT_GT(better.seconds, 0.8);
    EXPECT_LT(better.seconds, 1.0);
    EXPECT_LT(l.now_is(now + seconds(60)), 0.01);
}

TEST(select, the_lowest_priority_number_serves) {
    fake_pool view(3);
    EXPECT_EQ(picks({{2, 1}, {1, 1}, {3, 1}}, view, &weighted_random, 1000).at(1), 1000);
}

// Backends in the order in which a pool that loses one after the other asks them.
std::vector<std::size_t> order_of(const std::vector<plan_member>& members, config::preference prefer) {
    fake_pool view(members.size());
    std::vector<std::size_t> out;
    for (;;) {
        const auto got = picks(members, view, &weighted_random, 1, prefer);
        if (got.empty()) return out;
        out.push_back(got.begin()->first);
        view.close(out.back(), breaker_mode::throttled, now + minutes(1));
    }
}

TEST(select, distance_counts_inside_a_priority_before_it_or_as_a_boundary) {
    using config::preference;
    using order = std::vector<std::size_t>;
    // Priority, weight and distance; the own region has only the second priority.
    const std::vector<plan_member> members{{1, 1, 2}, {1, 1, 1}, {2, 1, 0}, {2, 1, 2}, {3, 1, 0}, {1, 0, 0}};
    EXPECT_EQ(order_of(members, preference::region), (order{1, 0, 2, 3, 4}));
    EXPECT_EQ(order_of(members, preference::region_first), (order{2, 4, 1, 0, 3}));
    EXPECT_EQ(order_of(members, preference::region_only), (order{2, 4}));
    const auto none = order_of(members, preference::none);
    EXPECT_LT(none[0] + none[1], 2U);  // either first
    EXPECT_EQ(none.back(), 4U);
}

TEST(select, spillover_is_what_better_ones_had_no_room_for) {
    using config::preference;
    const std::vector<plan_member> members{{1, 1, 0}, {1, 1, 1}, {2, 1, 0}, {2, 1, 1}};
    const auto told = [&](preference prefer) {
        std::vector<bool> out;
        for (const auto& t : make_plan(members, prefer, &weighted_random).tiers) out.push_back(t.spillover);
        return out;
    };
    EXPECT_EQ(told(preference::none), (std::vector<bool>{false, true}));
    EXPECT_EQ(told(preference::region), (std::vector<bool>{false, false, true, true}));
    EXPECT_EQ(told(preference::region_first), (std::vector<bool>{false, true, true, true}));
    EXPECT_EQ(told(preference::region_only), (std::vector<bool>{false, true}));
}

TEST(select, regions_are_as_far_as_their_place_in_the_order) {
    const std::vector<std::string> others{"northeurope", "swedencentral", "westeurope"};
    EXPECT_EQ(distance_of("westeurope", "westeurope", others), 0U);
    EXPECT_EQ(distance_of("northeurope", "westeurope", others), 1U);
    EXPECT_EQ(distance_of("swedencentral", "westeurope", others), 2U);
    EXPECT_EQ(distance_of("eastus", "westeurope", others), 4U);
    EXPECT_EQ(distance_of("", "westeurope", others), 4U);
    EXPECT_EQ(distance_of("", "", {}), 1U);
}

// Whatever breaks, a pool with region_only asks nobody outside, last resorts included.
TEST(select, region_only_never_leaves) {
    const balancer balancers[] = {&weighted_random, find_balancer("round_robin"), find_balancer("least_outstanding"),
                                  find_balancer("peak_ewma")};
    random_source random(11);
    const auto up_to = [&](std::uint32_t n) { return random.below(n); };
    for (int round = 0; round < 2000; ++round) {
        std::vector<plan_member> members(1 + up_to(8));
        for (auto& m : members) m = {1 + up_to(3), up_to(3), up_to(3)};
        const auto plan = make_plan(members, config::preference::region_only, balancers[up_to(4)]);
        auto state = make_balancer_state(plan);
        fake_pool view(members.size());
        for (std::size_t i = 0; i < members.size(); ++i)
            if (const auto dice = up_to(4); dice != 0)
                view.close(i, dice == 1 ? breaker_mode::throttled : breaker_mode::unhealthy,
                           now + milliseconds(up_to(3000)), now);
        tried_set tried;
        while (const auto s = select(plan, tried, view, state, now, random).backend) {
            ASSERT_EQ(members[*s].distance, 0U);
            ASSERT_TRUE(asks(plan, *s));
            tried.add(*s);
        }
        for (std::size_t i = 0; i < members.size(); ++i)
            ASSERT_EQ(asks(plan, i), members[i].distance == 0 && members[i].weight != 0);
    }
}

TEST(select, large_tiers_are_no_special_case) {
    fake_pool view(500);
    const auto got = picks(std::vector<plan_member>(500, {1, 1}), view, &weighted_random, 20'000);
    EXPECT_GT(got.size(), 490U);
}

TEST(select, a_pool_that_is_sick_all_over_tries_the_one_that_recovers_first) {
    fake_pool view(3);
    const auto plan = make_plan(std::vector<plan_member>(3, {1, 1}), {}, &weighted_random);
    auto state = make_balancer_state(plan);
    random_source random(1);
    view.close(0, breaker_mode::unhealthy, now + seconds(9), now + milliseconds(500));
    view.close(1, breaker_mode::unhealthy, now + seconds(60), now);
    view.close(2, breaker_mode::misconfigured, now + seconds(5), now + seconds(1));
    const auto s = select(plan, {}, view, state, now, random);
    EXPECT_EQ(s.backend, 1U);
    EXPECT_TRUE(s.trial);
    EXPECT_TRUE(s.last_resort);
    EXPECT_EQ(look_at_all(plan, view, now).earliest, now);
    tried_set tried;
    tried.add(1);
    EXPECT_FALSE(select(plan, tried, view, state, now, random).backend);
    EXPECT_EQ(select(plan, tried, view, state, now + milliseconds(500), random).backend, 0U);
    // Nobody is a last resort while somebody else is well, or will be in a moment.
    view.backends[2].now = {};
    EXPECT_FALSE(select(plan, tried, view, state, now, random).last_resort);
    view.close(2, breaker_mode::throttled, now + milliseconds(900));
    EXPECT_FALSE(select(plan, tried, view, state, now + milliseconds(500), random).backend);
    view.close(2, breaker_mode::throttled, now + minutes(1));
    EXPECT_EQ(select(plan, tried, view, state, now + milliseconds(500), random).backend, 0U);
}

// Where a tied request goes, and what is made anew.
selection placed(const pool_plan& plan, fake_pool& view, const placement& where, const tried_set& tried = {}) {
    auto state = make_balancer_state(plan);
    random_source random(5);
    return select(plan, tried, view, state, now, random, 0, where);
}
placement on(std::size_t instance) { return {instance, 0}; }
placement at_home(std::uint64_t home) { return {{}, home}; }

TEST(placement, a_tie_leads_to_its_instance_alone) {
    fake_pool view(4);
    for (std::size_t i = 0; i < 4; ++i) view.backends[i].instance = i / 2;
    const auto plan = make_plan(std::vector<plan_member>{{1, 1}, {1, 1}, {2, 1}, {2, 1}}, {}, &weighted_random);
    EXPECT_EQ(placed(plan, view, on(1)).backend, 2U) << "the better tier does not have it";
    EXPECT_EQ(placed(plan, view, on(0)).backend, 0U);
    tried_set tried;
    tried.add(2);
    EXPECT_EQ(placed(plan, view, on(1), tried).backend, 3U) << "another deployment there";
    tried.add(3);
    EXPECT_FALSE(placed(plan, view, on(1), tried).backend);
    EXPECT_FALSE(placed(plan, view, on(7)).backend);
}

TEST(placement, a_tie_reaches_what_new_requests_do_not) {
    fake_pool view(3);
    const auto plan = make_plan(std::vector<plan_member>{{1, 1, 0}, {1, 0, 0}, {1, 1, 5}},
                                config::preference::region_only, &weighted_random);
    EXPECT_FALSE(asks(plan, 1));
    EXPECT_FALSE(asks(plan, 2));
    EXPECT_EQ(placed(plan, view, on(1)).backend, 1U);
    EXPECT_EQ(placed(plan, view, on(2)).backend, 2U);
}

TEST(placement, a_tied_request_waits_for_its_instance) {
    fake_pool view(2);
    const auto plan = make_plan(std::vector<plan_member>{{1, 0}, {1, 1}}, {}, &weighted_random);
    view.close(0, breaker_mode::throttled, now + seconds(7));
    EXPECT_FALSE(placed(plan, view, on(0)).backend) << "the other one does not have it";
    auto told = look_at_all(plan, view, now, 0);
    EXPECT_TRUE(told.all_throttled);
    EXPECT_EQ(told.earliest, now + seconds(7));
    EXPECT_FALSE(look_at_all(plan, view, now).all_throttled);
    view.close(0, breaker_mode::unhealthy, now + seconds(9), now + seconds(2));
    EXPECT_FALSE(placed(plan, view, on(0)).backend);
    told = look_at_all(plan, view, now, 0);
    EXPECT_FALSE(told.all_throttled);
    EXPECT_EQ(told.earliest, now + seconds(2)) << "it may be tried as a last resort by then";
    told = look_at_all(plan, view, now, 7);
    EXPECT_FALSE(told.all_throttled);
    EXPECT_FALSE(told.earliest);
}

TEST(placement, a_sick_instance_is_tried_as_soon_as_it_may_be) {
    fake_pool view(2);
    const auto plan = make_plan(std::vector<plan_member>(2, {1, 1}), {}, &weighted_random);
    view.close(0, breaker_mode::unhealthy, now + seconds(9), now);
    auto s = placed(plan, view, on(0));
    EXPECT_EQ(s.backend, 0U) << "though another backend of the pool is well";
    EXPECT_TRUE(s.trial);
    EXPECT_TRUE(s.last_resort);
    EXPECT_EQ(view.backends[0].claims, 1);
    view.backends[0].claim_succeeds = false;
    EXPECT_FALSE(placed(plan, view, on(0)).backend) << "another request tries it now";
}

TEST(placement, a_home_is_the_same_each_time_and_owners_spread) {
    constexpr int owners = 4000;
    fake_pool view(4);
    const auto plan = make_plan(std::vector<plan_member>(4, {1, 1}), {}, &weighted_random);
    std::map<std::size_t, int> got;
    for (std::uint64_t owner = 1; owner <= owners; ++owner) {
        const auto first = *placed(plan, view, at_home(text::mix(owner))).backend;
        ASSERT_EQ(placed(plan, view, at_home(text::mix(owner))).backend, first);
        ++got[first];
    }
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(got[i], owners / 4, 120) << i;
}

TEST(placement, the_loss_of_an_instance_moves_what_was_at_home_there_alone) {
    constexpr int owners = 2000;
    fake_pool view(4), fewer(4);
    fewer.close(2, breaker_mode::unhealthy, now + minutes(1));
    const auto plan = make_plan(std::vector<plan_member>(4, {1, 1}), {}, &weighted_random);
    std::map<std::size_t, int> moved_to;
    for (std::uint64_t owner = 1; owner <= owners; ++owner) {
        const auto before = *placed(plan, view, at_home(text::mix(owner))).backend;
        const auto after = *placed(plan, fewer, at_home(text::mix(owner))).backend;
        if (before == 2) {
            ++moved_to[after];
            continue;
        }
        ASSERT_EQ(after, before) << owner;
    }
    EXPECT_EQ(moved_to.size(), 3U) << "its owners spread over all that are left";
}

TEST(placement, a_home_lies_in_the_best_tier) {
    fake_pool view(3);
    const auto plan = make_plan(std::vector<plan_member>{{2, 1}, {1, 1}, {2, 1}}, {}, &weighted_random);
    for (std::uint64_t owner = 1; owner < 100; ++owner)
        ASSERT_EQ(placed(plan, view, at_home(text::mix(owner))).backend, 1U);
}

TEST(evidence_window, counts_what_ended_lately_and_forgets_the_rest) {
    evidence_window w(seconds(16));
    for (int i = 0; i < 10; ++i) w.success(now);
    w.failure(now);
    auto seen = w.failure(now + seconds(8));
    EXPECT_EQ(seen.ended, 12U);
    EXPECT_EQ(seen.failed, 2U);
    EXPECT_EQ(seen.run, 2U);
    w.success(now + seconds(9));
    seen = w.read(now + seconds(16));
    EXPECT_EQ(seen.ended, 2U);
    EXPECT_EQ(seen.failed, 1U);
    EXPECT_EQ(seen.run, 0U);
    EXPECT_EQ(w.read(now + hours(100)).ended, 0U);
}

TEST(evidence_window, survives_more_than_it_can_count) {
    evidence_window w(seconds(16));
    for (int i = 0; i < 70'000; ++i) w.failure(now);
    for (int i = 0; i < 1'100'000; ++i) w.success(now);
    const auto seen = w.read(now);
    EXPECT_GT(seen.failed, 60'000U);
    EXPECT_LE(seen.failed, 70'000U);
    EXPECT_GT(seen.ended, 1'000'000U);
    EXPECT_LE(seen.ended, 1'170'000U);
}

TEST(pool_evidence, one_client_counts_once_in_a_window) {
    pool_evidence e;
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(e.failed_everywhere(7, now + milliseconds(i), seconds(30), 2));
    EXPECT_TRUE(e.failed_lately(7, now + seconds(1), seconds(30)));
    EXPECT_FALSE(e.failed_lately(8, now + seconds(1), seconds(30)));
    EXPECT_TRUE(e.failed_everywhere(8, now + seconds(1), seconds(30), 2));
}

TEST(pool_evidence, a_request_that_is_served_between_them_clears_the_pool) {
    pool_evidence e;
    for (std::uint32_t client = 0; client < 60; ++client) {
        EXPECT_FALSE(e.failed_everywhere(client, now + milliseconds(2 * client), seconds(30), 2));
        e.served(now + milliseconds(2 * client + 1));
    }
}

TEST(retry_budget, is_a_share_of_requests_with_a_small_allowance) {
    retry_budget b(0.2);
    int retries = 0;
    for (int i = 0; i < 10'000; ++i) {
        const auto t = now + milliseconds(i);
        b.on_request(t);
        retries += b.take(t) ? 1 : 0;
    }
    // A fifth of the requests, what it began with, and the allowance of ten seconds.
    EXPECT_GE(retries, 2000);
    EXPECT_LE(retries, 2000 + 10 + 3 * 10 + 1);
}

TEST(retry_budget, a_quiet_pool_can_retry_and_a_busy_one_saves_no_flood) {
    retry_budget quiet(0);
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(quiet.take(now));
    EXPECT_FALSE(quiet.take(now));
    EXPECT_TRUE(quiet.take(now + seconds(1)));
    retry_budget busy(0.2);
    for (int i = 0; i < 100'000; ++i) busy.on_request(now);
    EXPECT_LE(busy.left(), retry_budget::most);
}

TEST(retry_budget, a_repeat_that_serves_costs_nothing_and_the_last_ones_are_for_others) {
    retry_budget b(0);
    for (int i = 0; i < 1000; ++i) {
        EXPECT_TRUE(b.take(now));
        b.give_back();
    }
    while (b.take(now, true)) continue;
    EXPECT_EQ(b.left(), retry_budget::reserve);
    EXPECT_TRUE(b.take(now));
}

}  // namespace selection_test
}  // namespace spillway::core
