#include <gtest/gtest.h>

#include <spillway/core/breaker.hpp>

namespace spillway::core {
namespace {

constexpr time_point start = time_point(hours(1));
constexpr double middle = 0.5;  // of the jitter: none

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

breaker opened(time_point now = start) {
    breaker b(policy());
    for (int i = 0; i < 3; ++i) b.on_failure(now, std::nullopt, false, middle);
    return b;
}

TEST(breaker, is_closed_at_first) {
    const breaker b(policy());
    EXPECT_TRUE(b.closed());
    EXPECT_TRUE(b.view(start).usable);
    EXPECT_FALSE(b.view(start).trial);
}

TEST(breaker, a_throttle_ends_at_the_told_time_to_the_millisecond_without_a_trial) {
    breaker b(policy());
    b.on_throttled(start, milliseconds(800), false);
    EXPECT_EQ(b.view(at(milliseconds(799))).mode, breaker_mode::throttled);
    EXPECT_FALSE(b.view(at(milliseconds(799))).usable);
    EXPECT_EQ(b.view(start).until, at(milliseconds(800)));
    const auto after = b.view(at(milliseconds(800)));
    EXPECT_TRUE(after.usable);
    EXPECT_FALSE(after.trial);
    b.on_success(at(milliseconds(801)), false);
    EXPECT_TRUE(b.closed());
}

TEST(breaker, the_later_of_two_told_times_is_kept) {
    breaker b(policy());
    b.on_throttled(start, seconds(20), false);
    b.on_throttled(at(seconds(1)), seconds(2), false);
    EXPECT_EQ(b.view(at(seconds(2))).until, at(seconds(20)));
    b.on_throttled(at(seconds(2)), seconds(60), false);
    EXPECT_EQ(b.view(at(seconds(3))).until, at(seconds(62)));
    EXPECT_EQ(b.times_throttled(), 1U);
}

TEST(breaker, a_told_time_has_a_floor_a_cap_and_a_default) {
    breaker zero(policy()), day(policy()), nothing(policy());
    zero.on_throttled(start, seconds(0), false);
    EXPECT_EQ(zero.view(start).until, at(milliseconds(50)));
    day.on_throttled(start, hours(24), false);
    EXPECT_EQ(day.view(start).until, at(minutes(10)));
    nothing.on_throttled(start, std::nullopt, false);
    EXPECT_EQ(nothing.view(start).until, at(seconds(10)));
}

TEST(breaker, throttling_is_no_sickness) {
    breaker b(policy());
    for (int i = 0; i < 100; ++i) b.on_throttled(at(milliseconds(i)), milliseconds(100), false);
    EXPECT_TRUE(b.view(at(seconds(1))).usable);
    EXPECT_FALSE(b.view(at(seconds(1))).trial);
    EXPECT_EQ(b.times_opened(), 0U);
}

TEST(breaker, failures_inside_the_window_open_it) {
    breaker b(policy());
    b.on_failure(start, std::nullopt, false, middle);
    b.on_failure(at(seconds(10)), std::nullopt, false, middle);
    EXPECT_TRUE(b.closed());
    b.on_failure(at(seconds(20)), std::nullopt, false, middle);
    const auto v = b.view(at(seconds(20)));
    EXPECT_EQ(v.mode, breaker_mode::unhealthy);
    EXPECT_EQ(v.until, at(seconds(30)));
}

TEST(breaker, failures_that_lie_too_far_apart_do_not) {
    breaker b(policy());
    for (int i = 0; i < 50; ++i) b.on_failure(at(seconds(16 * i)), std::nullopt, false, middle);
    EXPECT_TRUE(b.closed());
}

TEST(breaker, a_failure_with_a_told_time_opens_at_once) {
    breaker b(policy());
    b.on_failure(start, seconds(3), false, middle);
    EXPECT_EQ(b.view(start).mode, breaker_mode::unhealthy);
    EXPECT_EQ(b.view(start).until, at(seconds(3)));
    EXPECT_TRUE(b.view(at(seconds(3))).trial);
}

TEST(breaker, half_open_lets_trials_through_and_nothing_else) {
    auto b = opened();
    const auto later = at(seconds(10));
    EXPECT_TRUE(b.view(later).trial);
    EXPECT_FALSE(b.claim_trial(at(seconds(9))));
    EXPECT_TRUE(b.claim_trial(later));
    EXPECT_FALSE(b.view(later).usable);
    EXPECT_EQ(b.view(later).mode, breaker_mode::half_open);
    EXPECT_FALSE(b.claim_trial(later));
    b.abandon_trial();
    EXPECT_TRUE(b.claim_trial(later));
    b.on_success(later, true);
    EXPECT_TRUE(b.closed());
}

TEST(breaker, a_failing_trial_doubles_the_time_up_to_its_end) {
    auto b = opened();
    time_point now = at(seconds(10));
    for (const auto expected : {seconds(20), seconds(40), seconds(60), seconds(60)}) {
        ASSERT_TRUE(b.claim_trial(now));
        b.on_failure(now, std::nullopt, true, middle);
        EXPECT_EQ(b.view(now).until, now + expected);
        now += expected;
    }
    ASSERT_TRUE(b.claim_trial(now));
    b.on_success(now, true);
    // After that it begins anew.
    for (int i = 0; i < 3; ++i) b.on_failure(now, std::nullopt, false, middle);
    EXPECT_EQ(b.view(now).until, now + seconds(10));
}

TEST(breaker, jitter_spreads_the_reopening) {
    auto low = opened(), high = opened();
    const auto now = at(seconds(10));
    low.claim_trial(now);
    low.on_failure(now, std::nullopt, true, 0.0);
    high.claim_trial(now);
    high.on_failure(now, std::nullopt, true, 0.999);
    EXPECT_EQ(low.view(now).until, now + seconds(18));
    EXPECT_GT(high.view(now).until, now + milliseconds(21900));
    EXPECT_LE(high.view(now).until, now + seconds(22));
}

TEST(breaker, stragglers_of_the_time_before_change_nothing) {
    auto b = opened();
    const auto until = b.view(start).until;
    for (int i = 0; i < 20; ++i) b.on_failure(at(seconds(5)), std::nullopt, false, middle);
    b.on_success(at(seconds(5)), false);
    EXPECT_EQ(b.view(at(seconds(5))).until, until);
    EXPECT_EQ(b.times_opened(), 1U);
}

TEST(breaker, a_429_to_a_trial_is_a_sign_of_life) {
    auto b = opened();
    const auto now = at(seconds(10));
    ASSERT_TRUE(b.claim_trial(now));
    b.on_throttled(now, seconds(2), true);
    EXPECT_EQ(b.view(now).mode, breaker_mode::throttled);
    EXPECT_TRUE(b.view(now + seconds(2)).usable);
    EXPECT_FALSE(b.view(now + seconds(2)).trial);
}

TEST(breaker, trials_that_fail_together_double_the_time_once) {
    auto p = policy();
    p.trials = 3;
    breaker b(p);
    for (int i = 0; i < 3; ++i) b.on_failure(start, std::nullopt, false, middle);
    const auto now = at(seconds(10));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(b.claim_trial(now));
    EXPECT_FALSE(b.claim_trial(now));
    for (int i = 0; i < 3; ++i) b.on_failure(now + milliseconds(i), std::nullopt, true, middle);
    EXPECT_EQ(b.view(now + milliseconds(3)).until, now + seconds(20));
    // All places are free again.
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(b.claim_trial(now + seconds(20)));
}

TEST(breaker, a_trial_that_fails_after_a_stragglers_told_time_frees_its_place) {
    auto b = opened();
    const auto now = at(seconds(10));
    ASSERT_TRUE(b.claim_trial(now));
    b.on_failure(now, seconds(30), false, middle);
    EXPECT_EQ(b.view(now).until, now + seconds(30));
    b.on_failure(now + seconds(1), std::nullopt, true, middle);
    EXPECT_EQ(b.view(now + seconds(1)).until, now + seconds(30));
    EXPECT_TRUE(b.claim_trial(now + seconds(30)));
}

TEST(breaker, a_recovery_leaves_nothing_of_earlier_told_times) {
    auto b = opened();
    const auto now = at(seconds(10));
    ASSERT_TRUE(b.claim_trial(now));
    b.on_failure(now, minutes(5), false, middle);
    b.on_success(now, true);
    ASSERT_TRUE(b.closed());
    for (int i = 0; i < 3; ++i) b.on_failure(now, std::nullopt, false, middle);
    EXPECT_EQ(b.view(now).until, now + seconds(10));
}

TEST(breaker, a_client_that_leaves_a_trial_gives_its_place_back) {
    auto b = opened();
    ASSERT_TRUE(b.claim_trial(at(seconds(10))));
    b.abandon_trial();
    b.abandon_trial();  // one too many is no harm
    EXPECT_TRUE(b.claim_trial(at(seconds(10))));
    EXPECT_FALSE(b.claim_trial(at(seconds(10))));
}

TEST(breaker, misconfiguration_opens_at_once_and_ends_with_a_trial) {
    breaker b(policy());
    b.on_misconfigured(start, false, middle);
    EXPECT_EQ(b.view(start).mode, breaker_mode::misconfigured);
    b.on_misconfigured(at(seconds(1)), false, middle);  // sent before: changes nothing
    EXPECT_EQ(b.view(at(seconds(1))).until, at(seconds(10)));
    ASSERT_TRUE(b.claim_trial(at(seconds(10))));
    b.on_misconfigured(at(seconds(10)), true, middle);
    EXPECT_EQ(b.view(at(seconds(10))).until, at(seconds(30)));
}

TEST(breaker, another_policy_keeps_the_state) {
    auto b = opened();
    auto p = policy();
    p.failures = 9;
    b.set_policy(p);
    EXPECT_EQ(b.view(start).mode, breaker_mode::unhealthy);
    EXPECT_EQ(b.view(start).until, at(seconds(10)));
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

}  // namespace
}  // namespace spillway::core
