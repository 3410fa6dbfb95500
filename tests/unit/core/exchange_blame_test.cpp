// What an exchange holds against whom.
#include <gtest/gtest.h>

#include "exchange_lab.hpp"

namespace spillway::core {
namespace {

// What the request itself may have brought about.
const std::vector<outcome> ambiguous{response(500),
                                     response(503),
                                     response(520),
                                     response(307),
                                     failed(outcome_kind::bad_response),
                                     failed(outcome_kind::empty_answer),
                                     failed(outcome_kind::stream_began_with_error)};

TEST(exchange, a_failure_counts_when_another_backend_served_that_very_request) {
    for (const auto& o : ambiguous) {
        lab l(2);
        l.begin();
        EXPECT_EQ(l.then(o).what, kind::send);
        EXPECT_EQ(l.last_effect.on_backend, backend_signal::none);
        EXPECT_EQ(l.last_effect.on_instance, instance_signal::reachable);
        EXPECT_TRUE(l.settled().empty());
        EXPECT_EQ(l.then(response(200)).what, kind::commit);
        const auto s = l.settled();
        ASSERT_EQ(s.size(), 1U);
        EXPECT_EQ(s.at(0).on_backend, backend_signal::failure);
        EXPECT_FALSE(s.at(0).proven);
    }
}

TEST(exchange, what_fails_everywhere_is_held_against_nobody) {
    for (const auto& o : ambiguous) {
        lab l(3);
        l.begin();
        l.then(o);
        l.then(o);
        EXPECT_NE(l.then(o).what, kind::send);
        for (const auto& [backend, e] : l.settled()) EXPECT_EQ(e.on_backend, backend_signal::doubt) << backend;
    }
}

TEST(exchange, an_answer_that_refuses_the_request_is_no_better_than_the_failure_before) {
    lab l(2);
    l.begin();
    l.then(response(500));
    EXPECT_EQ(l.then(response(400)).what, kind::commit);
    EXPECT_EQ(l.settled().at(0).on_backend, backend_signal::doubt);
}

TEST(exchange, several_clients_who_fail_everywhere_are_evidence_and_one_is_not) {
    pool_evidence evidence;
    const auto proven = [&evidence](std::uint32_t client) {
        request_facts f;
        f.client = client;
        lab l(2, {}, f);
        exchange_machine m(l.plan, l.retry, l.breaker, {}, l.facts);
        exchange_machine::world w{l.view, l.balance, l.budget, evidence, l.random};
        m.start(start, w);
        for (int i = 0; i < 2; ++i) {
            m.on_outcome(response(500), w);
            m.next(start, w);
        }
        int n = 0;
        while (const auto e = m.next_effect()) n += e->proven && e->on_backend == backend_signal::failure ? 1 : 0;
        return n;
    };
    for (int i = 0; i < 50; ++i) EXPECT_EQ(proven(1), 0);
    for (std::uint32_t client = 2; client < 5; ++client) EXPECT_EQ(proven(client), 0);
    EXPECT_EQ(proven(5), 2);
}

TEST(exchange, a_credential_is_refused_by_an_instance_only_where_another_instance_takes_it) {
    lab same(2);
    same.view.backends[0].instance = same.view.backends[1].instance = 7;
    same.begin();
    same.then(response(403));
    same.then(response(200));
    EXPECT_EQ(same.settled().at(0).on_instance, instance_signal::doubt);
    lab everywhere(2);
    everywhere.begin();
    everywhere.then(response(403));
    EXPECT_EQ(everywhere.then(response(403)).why.code, "BackendCredentialRefused");
    for (const auto& [backend, e] : everywhere.settled()) EXPECT_EQ(e.on_instance, instance_signal::doubt) << backend;
}

TEST(exchange, free_attempts_do_not_count_and_end_with_the_backends) {
    lab l(8);
    l.begin();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(l.then(response(429, seconds(1))).what, kind::send);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(l.then(failed(outcome_kind::connect_failed)).what, kind::send);
    EXPECT_EQ(l.then(failed(outcome_kind::reset_before_head)).what, kind::send);
    // Two failures that cost something are still allowed beside the first.
    EXPECT_EQ(l.then(response(500)).what, kind::send);
    EXPECT_EQ(l.machine().attempts(), 8U);
    EXPECT_EQ(l.then(response(429, seconds(1))).what, kind::reply);
}

TEST(exchange, a_repeat_that_serves_gives_the_budget_back) {
    lab l(2);
    l.begin();
    const auto before = l.budget.left();
    l.then(response(500), milliseconds(1));
    EXPECT_LT(l.budget.left(), before);
    l.then(response(200), milliseconds(1));
    EXPECT_GE(l.budget.left(), before);
}

TEST(exchange, a_shortage_of_the_gateways_own_is_nobodys_fault) {
    lab l(3);
    l.begin();
    const auto a = l.then(failed(outcome_kind::local_shortage));
    EXPECT_EQ(a.why.code, "GatewayOverloaded");
    EXPECT_EQ(a.why.status, 503);
    EXPECT_EQ(a.wait, seconds(1));
    EXPECT_EQ(l.last_effect.on_instance, instance_signal::none);
    EXPECT_TRUE(l.settled().empty());
}

TEST(exchange, every_trial_place_is_given_back_once) {
    const auto claimed = [](lab& l) { l.view.backends[0].now = {breaker_mode::half_open, true, true, start}; };
    const auto ends = [](lab& l) {
        int n = l.last_effect.ends.backend ? 1 : 0;
        for (const auto& [backend, e] : l.settled()) n += e.ends.backend ? 1 : 0;
        return n;
    };
    for (const auto& o : {response(200), response(400), response(429), response(500), response(401),
                          failed(outcome_kind::connect_failed), failed(outcome_kind::client_left)}) {
        lab l(1);
        claimed(l);
        l.begin();
        l.then(o);
        EXPECT_EQ(ends(l), 1) << o.status;
        l.machine().give_up();
        EXPECT_TRUE(l.settled().empty());
    }
    lab unborn(1);
    claimed(unborn);
    unborn.begin();
    unborn.machine().give_up();
    EXPECT_EQ(ends(unborn), 1);
    lab repeated(1);
    claimed(repeated);
    repeated.begin();
    repeated.then(failed(outcome_kind::stale_connection));
    EXPECT_EQ(ends(repeated), 0);
    repeated.then(response(200));
    EXPECT_EQ(ends(repeated), 1);
}

TEST(exchange, a_stream_that_breaks_was_no_success) {
    lab l(1);
    l.begin();
    l.then(response(200));
    const auto e = l.machine().on_broken();
    EXPECT_EQ(e.on_backend, backend_signal::failure);
    EXPECT_EQ(e.began, l.now);
    EXPECT_TRUE(e.by_client);
}

}  // namespace
}  // namespace spillway::core
