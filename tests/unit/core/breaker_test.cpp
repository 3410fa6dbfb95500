#include <gtest/gtest.h>

#include "circuit.hpp"

namespace spillway::core {
namespace breaker_test {

constexpr time_point start = time_point(hours(1));

time_point at(duration d) { return start + d; }

breaker_policy policy() {
    breaker_policy p;
    p.failures = 3;
    p.window = seconds(30);
    p.open = seconds(10);
    p.max_open = seconds(60);
    p.max_told = minutes(10);
    p.min_pause = milliseconds(50);
    p.throttle_default = seconds(10);
    p.trials = 1;
    return p;
}

failure failed_trial(double jitter = 0.5) {
    failure f;
    f.trial = true;
    f.jitter = jitter;
    return f;
}
failure told(duration d) {
    failure f;
    f.told = d;
    return f;
}
failure misconfigured(bool trial) {
    failure f;
    f.why = breaker_mode::misconfigured;
    f.proven = !trial;
    f.trial = trial;
    return f;
}

circuit opened(time_point now = start) {
    circuit b(policy());
    for (int i = 0; i < 3; ++i) b.failure(now);
    return b;
}

TEST(breaker, is_closed_at_first) {
    const circuit b(policy());
    EXPECT_TRUE(b->closed());
    EXPECT_TRUE(b->view(start).usable);
    EXPECT_FALSE(b->view(start).trial);
}

TEST(breaker, a_throttle_ends_at_the_told_time_to_the_millisecond_without_a_trial) {
    circuit b(policy());
    b.throttled(start, milliseconds(800), false);
    EXPECT_EQ(b->view(at(milliseconds(799))).mode, breaker_mode::throttled);
    EXPECT_FALSE(b->view(at(milliseconds(799))).usable);
    EXPECT_EQ(b->view(start).until, at(milliseconds(800)));
    const auto after = b->view(at(milliseconds(800)));
    EXPECT_TRUE(after.usable);
    EXPECT_FALSE(after.trial);
    b.success(at(milliseconds(801)), false);
    EXPECT_TRUE(b->closed());
}

TEST(breaker, the_later_of_two_told_times_is_kept) {
    circuit b(policy());
    b.throttled(start, seconds(20), false);
    b.throttled(at(seconds(1)), seconds(2), false);
    EXPECT_EQ(b->view(at(seconds(2))).until, at(seconds(20)));
    b.throttled(at(seconds(2)), seconds(60), false);
    EXPECT_EQ(b->view(at(seconds(3))).until, at(seconds(62)));
    EXPECT_EQ(b->times_throttled(), 1U);
}

TEST(breaker, a_told_time_has_a_floor_a_cap_and_a_default) {
    circuit zero(policy()), day(policy()), nothing(policy());
    zero.throttled(start, seconds(0), false);
    EXPECT_EQ(zero->view(start).until, at(milliseconds(50)));
    day.throttled(start, hours(24), false);
    EXPECT_EQ(day->view(start).until, at(minutes(10)));
    nothing.throttled(start, std::nullopt, false);
    EXPECT_EQ(nothing->view(start).until, at(seconds(10)));
}

TEST(breaker, throttling_is_no_sickness) {
    circuit b(policy());
    for (int i = 0; i < 100; ++i) b.throttled(at(milliseconds(i)), milliseconds(100), false);
    EXPECT_TRUE(b->view(at(seconds(1))).usable);
    EXPECT_FALSE(b->view(at(seconds(1))).trial);
    EXPECT_EQ(b->times_opened(), 0U);
}

TEST(breaker, failures_inside_the_window_open_it) {
    circuit b(policy());
    b.failure(start);
    b.failure(at(seconds(10)));
    EXPECT_TRUE(b->closed());
    b.failure(at(seconds(20)));
    const auto v = b->view(at(seconds(20)));
    EXPECT_EQ(v.mode, breaker_mode::unhealthy);
    EXPECT_EQ(v.until, at(seconds(30)));
}

TEST(breaker, failures_that_lie_too_far_apart_do_not) {
    circuit b(policy());
    for (int i = 0; i < 50; ++i) b.failure(at(seconds(16 * i)));
    EXPECT_TRUE(b->closed());
}

TEST(breaker, a_failure_with_a_told_time_opens_at_once) {
    circuit b(policy());
    b.failure(start, told(seconds(3)));
    EXPECT_EQ(b->view(start).mode, breaker_mode::unhealthy);
    EXPECT_EQ(b->view(start).until, at(seconds(3)));
    EXPECT_TRUE(b->view(at(seconds(3))).trial);
}

TEST(breaker, half_open_lets_trials_through_and_nothing_else) {
    auto b = opened();
    const auto later = at(seconds(10));
    EXPECT_TRUE(b->view(later).trial);
    EXPECT_FALSE(b->claim_trial(at(seconds(9))));
    EXPECT_TRUE(b->claim_trial(later));
    EXPECT_FALSE(b->view(later).usable);
    EXPECT_EQ(b->view(later).mode, breaker_mode::half_open);
    EXPECT_FALSE(b->claim_trial(later));
    b->abandon_trial();
    EXPECT_TRUE(b->claim_trial(later));
    b.success(later, true);
    EXPECT_TRUE(b->closed());
}

TEST(breaker, a_failing_trial_doubles_the_time_up_to_its_end) {
    auto b = opened();
    time_point now = at(seconds(10));
    for (const auto expected : {seconds(20), seconds(40), seconds(60), seconds(60)}) {
        ASSERT_TRUE(b->claim_trial(now));
        b.failure(now, failed_trial());
        EXPECT_EQ(b->view(now).until, now + expected);
        now += expected;
    }
    ASSERT_TRUE(b->claim_trial(now));
    b.success(now, true);
    // After that it begins anew.
    for (int i = 0; i < 3; ++i) b.failure(now);
    EXPECT_EQ(b->view(now).until, now + seconds(10));
}

TEST(breaker, jitter_spreads_the_reopening) {
    auto low = opened(), high = opened();
    const auto now = at(seconds(10));
    low->claim_trial(now);
    low.failure(now, failed_trial(0.0));
    high->claim_trial(now);
    high.failure(now, failed_trial(0.999));
    EXPECT_EQ(low->view(now).until, now + seconds(18));
    EXPECT_GT(high->view(now).until, now + milliseconds(21900));
    EXPECT_LE(high->view(now).until, now + seconds(22));
}

TEST(breaker, stragglers_of_the_time_before_change_nothing) {
    auto b = opened();
    const auto until = b->view(start).until;
    for (int i = 0; i < 20; ++i) b.failure(at(seconds(5)));
    b.success(at(seconds(5)), false);
    EXPECT_EQ(b->view(at(seconds(5))).until, until);
    EXPECT_EQ(b->times_opened(), 1U);
}

TEST(breaker, a_429_to_a_trial_is_a_sign_of_life) {
    auto b = opened();
    const auto now = at(seconds(10));
    ASSERT_TRUE(b->claim_trial(now));
    b.throttled(now, seconds(2), true);
    EXPECT_EQ(b->view(now).mode, breaker_mode::throttled);
    EXPECT_TRUE(b->view(now + seconds(2)).usable);
    EXPECT_FALSE(b->view(now + seconds(2)).trial);
}

TEST(breaker, trials_that_fail_together_double_the_time_once) {
    auto p = policy();
    p.trials = 3;
    circuit b(p);
    for (int i = 0; i < 3; ++i) b.failure(start);
    const auto now = at(seconds(10));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(b->claim_trial(now));
    EXPECT_FALSE(b->claim_trial(now));
    for (int i = 0; i < 3; ++i) b.failure(now + milliseconds(i), failed_trial());
    EXPECT_EQ(b->view(now + milliseconds(3)).until, now + seconds(20));
    // All places are free again.
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(b->claim_trial(now + seconds(20)));
}

TEST(breaker, a_trial_that_fails_after_a_stragglers_told_time_frees_its_place) {
    auto b = opened();
    const auto now = at(seconds(10));
    ASSERT_TRUE(b->claim_trial(now));
    b.failure(now, told(seconds(30)));
    EXPECT_EQ(b->view(now).until, now + seconds(30));
    b.failure(now + seconds(1), failed_trial());
    EXPECT_EQ(b->view(now + seconds(1)).until, now + seconds(30));
    EXPECT_TRUE(b->claim_trial(now + seconds(30)));
}

TEST(breaker, a_recovery_leaves_nothing_of_earlier_told_times) {
    auto b = opened();
    const auto now = at(seconds(10));
    ASSERT_TRUE(b->claim_trial(now));
    b.failure(now, told(minutes(5)));
    b.success(now, true);
    ASSERT_TRUE(b->closed());
    for (int i = 0; i < 3; ++i) b.failure(now);
    EXPECT_EQ(b->view(now).until, now + seconds(10));
}

TEST(breaker, a_client_that_leaves_a_trial_gives_its_place_back) {
    auto b = opened();
    ASSERT_TRUE(b->claim_trial(at(seconds(10))));
    b->abandon_trial();
    b->abandon_trial();  // one too many is no harm
    EXPECT_TRUE(b->claim_trial(at(seconds(10))));
    EXPECT_FALSE(b->claim_trial(at(seconds(10))));
}

TEST(breaker, misconfiguration_opens_at_once_and_ends_with_a_trial) {
    circuit b(policy());
    b.failure(start, misconfigured(false));
    EXPECT_EQ(b->view(start).mode, breaker_mode::misconfigured);
    b.failure(at(seconds(1)), misconfigured(false));  // sent before: changes nothing
    EXPECT_EQ(b->view(at(seconds(1))).until, at(seconds(10)));
    ASSERT_TRUE(b->claim_trial(at(seconds(10))));
    b.failure(at(seconds(10)), misconfigured(true));
    EXPECT_EQ(b->view(at(seconds(10))).until, at(seconds(30)));
}

TEST(breaker, another_policy_keeps_the_state) {
    auto b = opened();
    auto p = policy();
    p.failures = 9;
    b->set_policy(p);
    EXPECT_EQ(b->view(start).mode, breaker_mode::unhealthy);
    EXPECT_EQ(b->view(start).until, at(seconds(10)));
}

TEST(breaker, one_failure_in_a_hundred_opens_nothing_at_any_rate) {
    for (const int per_second : {1, 10, 1000}) {
        circuit b(policy());
        for (int i = 0; i < 60 * per_second; ++i) {
            const auto now = start + seconds(1) * i / per_second;
            if (i % 100 == 0) b.failure(now);
            else b.success(now);
        }
        EXPECT_EQ(b->times_opened(), 0U) << per_second;
    }
}

TEST(breaker, half_of_what_ended_opens_it_and_less_does_not) {
    circuit half(policy()), third(policy());
    for (int i = 0; i < 300; ++i) {
        const auto now = start + milliseconds(10 * i);
        i % 2 == 0 ? half.success(now) : half.failure(now);
        i % 3 != 0 ? third.success(now) : third.failure(now);
    }
    EXPECT_EQ(half->times_opened(), 1U);
    EXPECT_TRUE(third->closed());
}

TEST(breaker, a_backend_that_dies_under_load_is_left_after_a_run_of_failures) {
    circuit b(policy());
    for (int i = 0; i < 10'000; ++i) b.success(start + milliseconds(i));
    b.failure(at(seconds(10)));
    b.failure(at(seconds(10)));
    EXPECT_TRUE(b->closed());
    b.failure(at(seconds(10)));
    EXPECT_FALSE(b->closed());
}

TEST(breaker, what_was_counted_of_a_sick_time_is_forgotten_with_it) {
    auto b = opened();
    ASSERT_TRUE(b->claim_trial(at(seconds(10))));
    b.success(at(seconds(10)), true);
    b.failure(at(seconds(10)));
    b.failure(at(seconds(10)));
    EXPECT_TRUE(b->closed());
}

TEST(breaker, an_answer_that_breaks_off_was_no_success) {
    circuit b(policy());
    const auto later = at(seconds(5));
    for (int i = 0; i < 8; ++i) b.success(start);
    const auto begins_and_breaks = [&] {
        b.success(later);
        b.turned(later, later);
    };
    for (int i = 0; i < 7; ++i) begins_and_breaks();
    EXPECT_TRUE(b->closed());  // seven of fifteen
    begins_and_breaks();
    EXPECT_FALSE(b->closed());
}

TEST(breaker, as_a_last_resort_it_is_tried_every_second_and_its_time_does_not_grow) {
    auto b = opened();
    EXPECT_EQ(b->view(start).last_resort, at(seconds(1)));
    EXPECT_FALSE(b->claim_trial(at(milliseconds(999)), true));
    EXPECT_FALSE(b->claim_trial(at(seconds(1))));
    auto f = failed_trial();
    f.last_resort = true;
    for (int s = 1; s < 9; ++s) {
        ASSERT_TRUE(b->claim_trial(at(seconds(s)), true)) << s;
        EXPECT_FALSE(b->claim_trial(at(seconds(s)), true)) << s;
        b.failure(at(seconds(s)), f);
        EXPECT_EQ(b->view(at(seconds(s))).until, at(seconds(10)));
    }
    ASSERT_TRUE(b->claim_trial(at(seconds(11)), true));
    b.failure(at(seconds(11)), f);
    EXPECT_EQ(b->view(at(seconds(11))).until, at(seconds(21)));
    ASSERT_TRUE(b->claim_trial(at(seconds(12)), true));
    b.success(at(seconds(12)), true);
    EXPECT_TRUE(b->closed());
}

TEST(breaker, a_last_resort_that_hangs_keeps_no_other_away) {
    auto b = opened();
    ASSERT_TRUE(b->claim_trial(at(seconds(1)), true));
    EXPECT_FALSE(b->claim_trial(at(milliseconds(1900)), true));
    EXPECT_TRUE(b->claim_trial(at(seconds(2)), true));
    auto half_open = opened();
    ASSERT_TRUE(half_open->claim_trial(at(seconds(10))));
    EXPECT_FALSE(half_open->claim_trial(at(seconds(19))));
    EXPECT_TRUE(half_open->claim_trial(at(seconds(20))));
}

TEST(breaker, a_doubtful_trial_makes_room_for_the_next_one_soon) {
    auto b = opened();
    ASSERT_TRUE(b->claim_trial(at(seconds(1)), true));
    b->on_doubtful(at(seconds(1)));
    EXPECT_FALSE(b->claim_trial(at(milliseconds(1050)), true));
    EXPECT_TRUE(b->claim_trial(at(milliseconds(1100)), true));
    b->abandon_trial();
    EXPECT_TRUE(b->claim_trial(at(milliseconds(1100)), true));
}

TEST(breaker, a_probe_closes_what_is_sick_and_leaves_a_throttle) {
    auto b = opened();
    b.throttled(start, seconds(5));
    b.proof();
    EXPECT_EQ(b->view(start).mode, breaker_mode::throttled);
    EXPECT_TRUE(b->view(at(seconds(5))).usable);
    auto dead = opened();
    dead->on_disproof(at(seconds(5)), 0.5);
    EXPECT_EQ(dead->view(at(seconds(5))).until, at(seconds(10)));
    dead->on_disproof(at(seconds(10)), 0.5);
    EXPECT_EQ(dead->view(at(seconds(10))).until, at(seconds(30)));
}

TEST(breaker, a_sign_of_life_is_proof_until_something_fails_and_changes_no_time) {
    auto b = opened();
    EXPECT_FALSE(b->view(start).proven);
    EXPECT_FALSE(b->view(at(hours(1))).proven) << "the clock proves nothing";
    b.proof(false);
    EXPECT_EQ(b->view(start).until, at(seconds(10)));
    EXPECT_TRUE(b->view(start).proven);
    EXPECT_TRUE(b->view(at(seconds(10))).trial);
    ASSERT_TRUE(b->claim_trial(at(seconds(10))));
    EXPECT_TRUE(b->view(at(seconds(11))).proven);
    failure f;
    f.trial = true;
    b.failure(at(seconds(11)), f);
    EXPECT_FALSE(b->view(at(seconds(11))).proven);
    b.proof(false);
    b->on_disproof(at(seconds(12)), 0.5);
    EXPECT_FALSE(b->view(at(seconds(12))).proven);
    b.proof();
    EXPECT_TRUE(b->closed());
    EXPECT_TRUE(b->view(at(seconds(12))).proven);
    b.proof(false);
    EXPECT_TRUE(b->closed());
}

TEST(availability, two_in_a_row_both_have_to_let_through) {
    const availability fine, throttled{breaker_mode::throttled, false, false, at(seconds(5))},
        sick{breaker_mode::unhealthy, false, false, at(seconds(2))},
        trial{breaker_mode::half_open, true, true, start};
    EXPECT_TRUE(both(fine, fine).usable);
    EXPECT_TRUE(both(fine, trial).trial);
    EXPECT_EQ(both(fine, throttled).mode, breaker_mode::throttled);
    EXPECT_EQ(both(sick, trial).mode, breaker_mode::unhealthy);
    const auto worst = both(throttled, sick);
    EXPECT_EQ(worst.mode, breaker_mode::unhealthy);
    EXPECT_EQ(worst.until, at(seconds(5)));
}

}  // namespace breaker_test
}  // namespace spillway::core
