#include <gtest/gtest.h>

#include "exchange_lab.hpp"

namespace spillway::core {
namespace {

TEST(exchange, a_good_answer_is_the_clients) {
    lab l(2);
    const auto a = l.begin();
    EXPECT_EQ(a.what, kind::send);
    EXPECT_EQ(a.backend, 0U);
    EXPECT_FALSE(a.spillover);
    EXPECT_EQ(l.then(response(200)).what, kind::commit);
    EXPECT_EQ(l.last_effect.on_backend, backend_signal::served);
    EXPECT_EQ(l.machine().attempts(), 1U);
}

TEST(exchange, a_429_goes_to_the_next_backend_at_once) {
    lab l(2);
    l.begin();
    const auto a = l.then(response(429, milliseconds(800)));
    EXPECT_EQ(a.what, kind::send);
    EXPECT_EQ(a.backend, 1U);
    EXPECT_EQ(l.last_effect.on_backend, backend_signal::throttled);
    EXPECT_EQ(l.last_effect.told, milliseconds(800));
}

TEST(exchange, each_attempt_has_another_backend_and_their_number_has_an_end) {
    lab l(5);
    std::vector<std::size_t> asked{l.begin().backend};
    action a;
    for (;;) {
        a = l.then(response(500));
        if (a.what != kind::send) break;
        asked.push_back(a.backend);
    }
    EXPECT_EQ(asked, (std::vector<std::size_t>{0, 1, 2}));
    EXPECT_EQ(a.what, kind::reply);
    EXPECT_EQ(a.why.status, 503);
    EXPECT_EQ(l.machine().tries().size(), 3U);
}

TEST(exchange, nobody_is_asked_when_all_are_throttled) {
    lab l(2);
    l.view.close(0, breaker_mode::throttled, start + milliseconds(12300));
    l.view.close(1, breaker_mode::throttled, start + milliseconds(4200));
    const auto a = l.begin();
    EXPECT_EQ(a.what, kind::reply);
    EXPECT_EQ(a.why.status, 429);
    EXPECT_EQ(a.wait, milliseconds(4200));
    EXPECT_EQ(a.should_retry, true);
    EXPECT_EQ(l.machine().attempts(), 0U);
}

TEST(exchange, nobody_is_told_to_sleep_for_long) {
    lab l(1);
    l.view.close(0, breaker_mode::throttled, start + minutes(5));
    const auto a = l.begin();
    EXPECT_EQ(a.wait, minutes(5));
    EXPECT_EQ(a.should_retry, std::nullopt);
}

TEST(exchange, one_sick_backend_among_throttled_ones_makes_it_a_503) {
    lab l(2);
    l.view.close(0, breaker_mode::throttled, start + seconds(9));
    l.view.close(1, breaker_mode::unhealthy, start + seconds(4));
    const auto a = l.begin();
    EXPECT_EQ(a.why.status, 503);
    EXPECT_EQ(a.why.code, "NoBackendAvailable");
    EXPECT_EQ(a.wait, seconds(4));
}

TEST(exchange, the_last_429_stays_a_429) {
    lab l(2);
    l.begin();
    l.then(response(429, seconds(3)));
    l.view.close(0, breaker_mode::throttled, start + seconds(3));
    l.view.close(1, breaker_mode::throttled, start + seconds(7));
    const auto a = l.then(response(429, seconds(7)));
    // All said the same: the client gets the backend's own words, and the wait of the pool.
    EXPECT_EQ(a.what, kind::commit);
    EXPECT_EQ(a.wait, seconds(3) - milliseconds(20));
    EXPECT_EQ(a.should_retry, true);
}

TEST(exchange, what_came_last_decides_when_attempts_are_used_up) {
    const auto last = [](const outcome& o) {
        lab l(2);
        l.begin();
        l.then(response(500));
        return l.then(o);
    };
    EXPECT_EQ(last(response(408)).what, kind::commit);
    EXPECT_EQ(last(response(499)).what, kind::commit);
    EXPECT_EQ(last(response(409, seconds(1))).what, kind::commit);
    EXPECT_EQ(last(failed(outcome_kind::stream_began_with_error)).what, kind::commit);
    EXPECT_EQ(last(response(429, seconds(1))).why.status, 429);  // not all said the same
    auto busy = failed(outcome_kind::stream_began_with_error);
    busy.stands_for = 429;
    EXPECT_EQ(last(busy).why.status, 429);
    const auto led_away = last(response(307));
    EXPECT_EQ(led_away.why.code, "BackendRedirects");
    EXPECT_EQ(led_away.why.status, 502);
    const auto unwritten = last(failed(outcome_kind::not_composed));
    EXPECT_EQ(unwritten.why.code, "RequestNotComposed");
    EXPECT_EQ(unwritten.why.status, 500);
    EXPECT_EQ(last(failed(outcome_kind::connect_failed)).why.status, 503);
    const auto refused = last(response(401));
    EXPECT_EQ(refused.why.status, 502);
    EXPECT_EQ(refused.why.code, "BackendCredentialRefused");
    EXPECT_EQ(refused.should_retry, false);
    auto gone = response(404);
    gone.deployment_not_found = true;
    EXPECT_EQ(last(gone).why.code, "BackendDeploymentMissing");
}

TEST(exchange, errors_of_the_client_are_never_repeated) {
    for (const int status : {400, 404, 413, 422}) {
        lab l(3);
        l.begin();
        EXPECT_EQ(l.then(response(status)).what, kind::commit) << status;
    }
}

TEST(exchange, a_keep_alive_race_repeats_once_on_a_fresh_connection_and_counts_as_nothing) {
    lab l(2);
    l.begin();
    const auto fresh = l.then(failed(outcome_kind::stale_connection));
    EXPECT_EQ(fresh.what, kind::send);
    EXPECT_EQ(fresh.backend, 0U);
    EXPECT_TRUE(fresh.fresh_connection);
    EXPECT_EQ(l.last_effect.on_instance, instance_signal::none);
    EXPECT_EQ(l.machine().attempts(), 1U);
    const auto other = l.then(failed(outcome_kind::stale_connection));
    EXPECT_EQ(other.backend, 1U);
    EXPECT_EQ(l.last_effect.on_instance, instance_signal::failure);
}

TEST(exchange, a_credential_is_renewed_once_then_another_backend_is_asked) {
    lab l(2);
    l.view.backends[0].renewable = true;
    l.begin();
    const auto again = l.then(response(401));
    EXPECT_EQ(again.backend, 0U);
    EXPECT_TRUE(again.renew_credential);
    const auto other = l.then(response(401));
    EXPECT_EQ(other.backend, 1U);
    EXPECT_EQ(l.last_effect.on_instance, instance_signal::none);
    EXPECT_EQ(l.then(response(200)).what, kind::commit);
    EXPECT_EQ(l.settled().at(0).on_instance, instance_signal::misconfigured);
}

TEST(exchange, an_empty_budget_ends_repeats_of_failures_but_not_of_throttling) {
    lab l(3);
    while (l.budget.take(start)) continue;
    l.begin();
    EXPECT_EQ(l.then(response(500), milliseconds(1)).what, kind::reply);
    lab t(3);
    while (t.budget.take(start)) continue;
    t.begin();
    EXPECT_EQ(t.then(response(429), milliseconds(1)).what, kind::send);
}

TEST(exchange, a_client_that_repeats_by_itself_gets_fewer_attempts) {
    request_facts f;
    f.client_repeats = 1;
    lab l(5, {}, f);
    l.begin();
    EXPECT_EQ(l.then(response(500)).what, kind::send);
    EXPECT_EQ(l.then(response(500)).what, kind::reply);
    retry_policy one;
    one.attempts = 1;
    lab single(5, one, f);
    single.begin();
    EXPECT_EQ(single.then(response(500)).what, kind::reply);
}

TEST(exchange, deadlines_bound_the_first_byte_and_the_whole) {
    request_facts f;
    f.streams = true;
    lab l(3, {}, f);
    l.deadlines = {{}, seconds(120), seconds(150)};
    EXPECT_EQ(l.begin().first_byte_deadline, start + seconds(120));
    const auto second = l.then(failed(outcome_kind::first_byte_timeout), seconds(120));
    EXPECT_EQ(second.first_byte_deadline, start + seconds(150));
    const auto end = l.then(failed(outcome_kind::first_byte_timeout), seconds(30));
    EXPECT_EQ(end.what, kind::reply);
    EXPECT_EQ(end.why.status, 504);
}

TEST(exchange, the_clients_own_timeout_is_kept) {
    request_facts f;
    f.client_timeout = seconds(5);
    lab l(3, {}, f);
    EXPECT_EQ(l.begin().first_byte_deadline, start + seconds(5));
    EXPECT_EQ(l.then(response(500), milliseconds(4990)).why.status, 504);
}

TEST(exchange, no_default_ends_what_the_client_would_have_waited_for) {
    const auto limit = [](bool streams, std::optional<duration> waits, exchange_deadlines with = {}) {
        request_facts f;
        f.streams = streams;
        f.client_timeout = waits;
        lab l(1, {}, f);
        l.deadlines = with;
        return l.begin().first_byte_deadline - start;
    };
    EXPECT_EQ(limit(false, {}), minutes(10));
    EXPECT_EQ(limit(true, {}), minutes(2));
    EXPECT_EQ(limit(false, minutes(30)), minutes(30));
    EXPECT_EQ(limit(false, minutes(1)), minutes(1));
    EXPECT_EQ(limit(true, minutes(30)), minutes(2));
    // What the operator writes holds.
    EXPECT_EQ(limit(false, minutes(30), {seconds(20), {}, {}}), seconds(20));
    EXPECT_EQ(limit(true, minutes(30), {seconds(20), {}, {}}), seconds(20));
    EXPECT_EQ(limit(true, {}, {seconds(20), minutes(5), {}}), minutes(5));
    EXPECT_EQ(limit(false, minutes(30), {{}, {}, minutes(4)}), minutes(4));
}

TEST(exchange, the_clients_impatience_is_no_failure_of_the_backend) {
    request_facts f;
    f.client_timeout = seconds(5);
    f.streams = true;
    lab hurried(2, {}, f);
    hurried.begin();
    EXPECT_EQ(hurried.then(failed(outcome_kind::first_byte_timeout), seconds(5)).why.status, 504);
    EXPECT_TRUE(hurried.settled().empty());
    // Where our own time is shorter it is a failure all the same.
    f.client_timeout = seconds(600);
    lab patient(2, {}, f);
    patient.begin();
    EXPECT_EQ(patient.then(failed(outcome_kind::first_byte_timeout), seconds(120)).what, kind::send);
    patient.then(response(200));
    EXPECT_EQ(patient.settled().at(0).on_backend, backend_signal::failure);
}

TEST(exchange, a_plain_answer_that_is_late_may_be_paid_for_and_is_not_asked_for_again) {
    lab l(3);
    l.deadlines.first_byte = seconds(20);
    l.begin();
    const auto a = l.then(failed(outcome_kind::first_byte_timeout), seconds(20));
    EXPECT_EQ(a.why.status, 504);
    EXPECT_EQ(l.settled().at(0).on_backend, backend_signal::doubt);
}

TEST(exchange, not_even_a_keep_alive_race_is_repeated_when_time_is_up) {
    request_facts f;
    f.client_timeout = seconds(5);
    lab l(2, {}, f);
    l.begin();
    EXPECT_EQ(l.then(failed(outcome_kind::stale_connection), seconds(5)).why.status, 504);
}

TEST(exchange, what_must_not_be_repeated_ends_with_the_answer_of_the_first_attempt) {
    request_facts f;
    f.repeatable = false;
    f.streams = true;
    lab slow(3, {}, f);
    slow.begin();
    EXPECT_EQ(slow.then(failed(outcome_kind::first_byte_timeout), seconds(120)).why.status, 504);
    lab broken(3, {}, f);
    broken.begin();
    EXPECT_EQ(broken.then(failed(outcome_kind::bad_response)).why.status, 503);
    lab failing(3, {}, f);
    failing.begin();
    EXPECT_EQ(failing.then(response(500)).what, kind::commit);
    lab throttled(3, {}, f);
    throttled.begin();
    EXPECT_EQ(throttled.then(response(429, seconds(1))).what, kind::send);
}

TEST(exchange, a_client_that_left_ends_it) {
    lab l(3);
    l.begin();
    EXPECT_EQ(l.then(failed(outcome_kind::client_left)).what, kind::leave);
}

TEST(exchange, a_lower_priority_is_a_spillover_and_a_trial_is_told) {
    lab l(2);
    l.view.close(0, breaker_mode::throttled, start + seconds(1));
    l.view.backends[1].now = {breaker_mode::half_open, true, true, start};
    const auto a = l.begin();
    EXPECT_EQ(a.backend, 1U);
    EXPECT_TRUE(a.spillover);
    EXPECT_TRUE(a.trial);
}

TEST(exchange, a_trial_that_somebody_else_took_leads_elsewhere) {
    lab l(2);
    l.view.backends[0].now = {breaker_mode::half_open, true, true, start};
    l.view.backends[0].claim_succeeds = false;
    const auto a = l.begin();
    EXPECT_EQ(a.backend, 1U);
    EXPECT_EQ(l.view.backends[0].claims, 1);
}

}  // namespace
}  // namespace spillway::core
