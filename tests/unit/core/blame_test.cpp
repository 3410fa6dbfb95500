// Whom failures are held against, in virtual time: many clients, three backends, minutes of traffic.
#include <gtest/gtest.h>

#include "simulated_gateway.hpp"

namespace spillway::core {
namespace {

using behaviour = simulated_gateway::behaviour;
constexpr std::uint32_t poisoner = 99;

behaviour well() {
    return [](std::uint32_t, time_point) { return attempt_result{answer_of(200)}; };
}
behaviour always(const outcome& o, duration takes = milliseconds(5)) {
    return [o, takes](std::uint32_t, time_point) { return attempt_result{o, takes}; };
}
// Fails a share of the requests, whoever sends them.
behaviour sometimes(double share, std::uint64_t seed) {
    return [share, random = std::make_shared<random_source>(seed)](std::uint32_t, time_point) {
        return attempt_result{answer_of(random->unit() < share ? 500 : 200)};
    };
}
// Serves everybody but one client, whose requests all end so.
behaviour poisoned(const outcome& o) {
    return [o](std::uint32_t client, time_point) { return attempt_result{client == poisoner ? o : answer_of(200)}; };
}

simulated_gateway three(const std::function<behaviour(std::uint64_t)>& make, std::uint64_t seed = 1) {
    return {{make(seed), make(seed + 1), make(seed + 2)}, seed};
}

TEST(blame, one_failure_in_a_hundred_is_nobodys_sickness_and_no_client_sees_it) {
    auto g = three([](std::uint64_t seed) { return sometimes(0.01, seed); });
    for (std::uint32_t c = 0; c < 10; ++c) g.offer(c, 45, minutes(5));
    g.run(minutes(6));
    EXPECT_EQ(g.opened(), 0U);
    for (const auto& [client, t] : g.clients) {
        EXPECT_GT(t.offered, 12'000U);
        EXPECT_EQ(t.errors, 0U) << client;
    }
}

TEST(blame, one_failure_in_ten_is_no_reason_to_refuse_anybody) {
    auto g = three([](std::uint64_t seed) { return sometimes(0.1, seed); });
    for (std::uint32_t c = 0; c < 10; ++c) g.offer(c, 45, minutes(5));
    g.run(minutes(6));
    std::uint64_t offered = 0, errors = 0;
    for (const auto& [client, t] : g.clients) {
        offered += t.offered;
        errors += t.errors;
        EXPECT_EQ(t.codes.count("NoBackendAvailable"), 0U);
    }
    // Three backends fail the same request once in a thousand; that is all that a client may see.
    EXPECT_LT(errors, offered * 2 / 1000);
}

TEST(blame, a_backend_that_fails_one_in_ten_costs_no_client_an_error_while_two_are_well) {
    simulated_gateway g({well(), sometimes(0.1, 5), well()}, 5);
    for (std::uint32_t c = 0; c < 10; ++c) g.offer(c, 45, minutes(5));
    g.run(minutes(6));
    for (const auto& [client, t] : g.clients) EXPECT_EQ(t.errors, 0U) << client;
}

TEST(blame, half_of_one_backends_answers_failing_takes_it_out) {
    simulated_gateway g({well(), sometimes(0.6, 5), well()}, 5);
    for (std::uint32_t c = 0; c < 10; ++c) g.offer(c, 20, minutes(2));
    g.run(minutes(3));
    EXPECT_GT(g.backends[1]->times_opened(), 0U);
    EXPECT_EQ(g.backends[0]->times_opened() + g.backends[2]->times_opened(), 0U);
    for (const auto& [client, t] : g.clients) EXPECT_EQ(t.errors, 0U) << client;
}

struct poison {
    std::string name;
    outcome what;
};
class poison_of : public ::testing::TestWithParam<poison> {};

TEST_P(poison_of, one_client_costs_no_other_client_anything) {
    for (const double per_second : {0.5, 20.0, 400.0}) {
        simulated_gateway g({poisoned(GetParam().what), poisoned(GetParam().what), poisoned(GetParam().what)}, 3);
        g.offer(poisoner, per_second, minutes(3));
        for (std::uint32_t c = 0; c < 9; ++c) g.offer(c, 10, minutes(3));
        g.run(minutes(4));
        for (const auto& [client, t] : g.clients)
            if (client != poisoner) {
                EXPECT_EQ(t.errors, 0U) << client << " at " << per_second;
                EXPECT_EQ(t.served, t.offered);
            }
    }
}

INSTANTIATE_TEST_SUITE_P(blame, poison_of,
                         ::testing::ValuesIn(std::vector<poison>{
                             {"status_500", answer_of(500)},
                             {"status_503", answer_of(503)},
                             {"status_529", answer_of(529)},
                             {"status_501", answer_of(501)},
                             {"status_401", answer_of(401)},
                             {"status_403", answer_of(403)},
                             {"status_400", answer_of(400)},
                             {"redirect", answer_of(307)},
                             {"missing",
                              [] {
                                  auto o = answer_of(404);
                                  o.deployment_not_found = true;
                                  return o;
                              }()},
                             {"event_of_the_client", failure_of(outcome_kind::stream_began_with_error, 400)},
                             {"event_of_the_server", failure_of(outcome_kind::stream_began_with_error, 500)},
                             {"nothing", failure_of(outcome_kind::empty_answer)},
                             {"no_http", failure_of(outcome_kind::bad_response)},
                             {"silence", failure_of(outcome_kind::first_byte_timeout)},
                             {"reset", failure_of(outcome_kind::reset_before_head)},
                         }),
                         [](const auto& one) { return one.param.name; });

TEST(blame, poison_that_one_backend_swallows_does_not_close_the_others_of_it) {
    // Refused by two instances and served by the third: held against the two, as far as one client's word goes.
    simulated_gateway g({poisoned(answer_of(403)), poisoned(answer_of(403)), well()}, 3);
    g.offer(poisoner, 1, minutes(3));
    for (std::uint32_t c = 0; c < 9; ++c) g.offer(c, 10, minutes(3));
    g.run(minutes(4));
    for (const auto& [client, t] : g.clients) EXPECT_EQ(t.errors, 0U) << client;
    EXPECT_EQ(g.opened(), 0U);
}

struct outage {
    std::string name;
    outcome what;
    std::uint32_t clients;
    double per_second;  // of each client
    duration lasts;
};
class outage_of : public ::testing::TestWithParam<outage> {};

TEST_P(outage_of, everybody_is_served_again_within_a_second_and_a_half) {
    const auto& p = GetParam();
    simulated_gateway g({well(), well(), well()}, 11);
    const auto traffic = [&](duration d) {
        for (std::uint32_t c = 0; c < p.clients; ++c) g.offer(c, p.per_second, d);
        g.run(d);
    };
    traffic(minutes(1));
    const auto sound = g.behave;
    for (auto& b : g.behave) b = always(p.what);
    const auto before = g.clients[0];
    traffic(p.lasts);
    std::uint64_t offered = 0, attempts = 0;
    for (const auto& [client, t] : g.clients) {
        offered += t.offered;
        attempts += t.attempts;
    }
    // Not multiplied: 1.1 times the requests, the allowance, and what opens the breakers.
    EXPECT_LT(static_cast<double>(attempts),
              1.1 * static_cast<double>(offered) + 3 * std::chrono::duration<double>(p.lasts).count() + 60);
    // One backend is enough, whichever it is.
    for (std::size_t back = 0; back < 3; ++back) {
        auto& all = g.behave;
        all[back] = sound[back];
        const time_point again = g.now;
        traffic(seconds(20));
        for (const auto& [client, t] : g.clients) EXPECT_LE(t.last_error, again + milliseconds(1500)) << back;
        for (auto& b : all) b = always(p.what);
        traffic(seconds(20));
    }
}

INSTANTIATE_TEST_SUITE_P(blame, outage_of,
                         ::testing::ValuesIn(std::vector<outage>{
                             {"refused_connections", failure_of(outcome_kind::connect_failed), 10, 30, minutes(5)},
                             {"short", failure_of(outcome_kind::connect_failed), 10, 30, seconds(3)},
                             {"errors", answer_of(500), 10, 30, minutes(5)},
                             {"errors_of_one_client", answer_of(500), 1, 50, minutes(5)},
                             {"resets", failure_of(outcome_kind::reset_before_head), 10, 30, minutes(5)},
                             {"refused_keys", answer_of(401), 10, 30, minutes(5)},
                             {"little_traffic", failure_of(outcome_kind::connect_failed), 4, 1, minutes(10)},
                         }),
                         [](const auto& one) { return one.param.name; });

TEST(blame, one_dead_backend_of_three_costs_a_handful_of_requests_a_second_try) {
    struct death {
        outcome what;
        std::uint64_t most;  // requests that meet it: the run, those under way, and a trial now and then
    };
    for (const auto& d : {death{failure_of(outcome_kind::connect_failed), 20}, death{answer_of(500), 60}}) {
        simulated_gateway g({well(), well(), well()}, 7);
        const auto traffic = [&](duration length) {
            for (std::uint32_t c = 0; c < 10; ++c) g.offer(c, 30, length);
            g.run(length);
        };
        traffic(minutes(1));
        g.behave[2] = always(d.what);
        const auto asked = g.asked[2];
        traffic(minutes(2));
        EXPECT_LT(g.asked[2] - asked, d.most);
        for (const auto& [client, t] : g.clients) EXPECT_EQ(t.errors, 0U) << client;
    }
}

TEST(blame, a_storm_of_429s_is_asked_for_everywhere_and_opens_nothing) {
    auto busy = answer_of(429);
    busy.told = milliseconds(200);
    busy.has_retry_after = true;
    std::vector<behaviour> eight(8, always(busy));
    eight.back() = well();
    simulated_gateway g(eight, 4);
    for (std::uint32_t c = 0; c < 10; ++c) g.offer(c, 20, minutes(1));
    g.run(minutes(2));
    // Seven are always throttled, and the eighth serves everybody.
    for (const auto& [client, t] : g.clients) EXPECT_EQ(t.errors, 0U) << client;
    EXPECT_EQ(g.opened(), 0U);
    g.behave.back() = always(busy);
    for (std::uint32_t c = 0; c < 10; ++c) g.offer(c, 20, minutes(1));
    g.run(minutes(2));
    for (const auto& [client, t] : g.clients) {
        EXPECT_GT(t.errors, 0U);
        EXPECT_EQ(t.errors, t.throttled);
    }
    EXPECT_EQ(g.opened(), 0U);
}

TEST(blame, one_request_a_second_is_enough_to_find_a_dead_backend) {
    for (const auto& o : {failure_of(outcome_kind::connect_failed), answer_of(500)}) {
        simulated_gateway g({well(), always(o), well()}, 9);
        g.offer(1, 1, minutes(10));
        g.run(minutes(11));
        EXPECT_EQ(g.clients[1].errors, 0U);
        EXPECT_GT(g.opened(), 0U);
        // Without a breaker every third request would meet it.
        EXPECT_LT(g.asked[1], 40U);
    }
}

}  // namespace
}  // namespace spillway::core
