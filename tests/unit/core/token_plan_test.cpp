#include <spillway/core/token_plan.hpp>

#include <gtest/gtest.h>

#include <spillway/core/certificate.hpp>
#include <spillway/core/header_rules.hpp>
#include <spillway/core/outcome.hpp>
#include <spillway/core/slow_down.hpp>

namespace spillway::core {
namespace token_plan_test {

const time_point start{hours(100)};

token_times lives(duration life, std::optional<duration> advised = {}) { return {start, start + life, advised}; }

TEST(refresh_at, half_a_life_or_five_minutes_before_its_end) {
    EXPECT_EQ(refresh_at(lives(hours(24)), 0), start + hours(12));
    EXPECT_EQ(refresh_at(lives(hours(1)), 0), start + minutes(30));
    // Half of eleven minutes is less than eleven minus five, half of four is all that there is.
    EXPECT_EQ(refresh_at(lives(minutes(11)), 0), start + seconds(330));
    EXPECT_EQ(refresh_at(lives(minutes(4)), 0), start + minutes(2));
}

TEST(refresh_at, the_issuers_advice_counts_up_to_five_minutes_before_the_end) {
    EXPECT_EQ(refresh_at(lives(hours(24), hours(20)), 0), start + hours(20));
    EXPECT_EQ(refresh_at(lives(hours(1), hours(1)), 0), start + minutes(55));
    EXPECT_EQ(refresh_at(lives(hours(1), hours(9)), 0), start + minutes(55));
    EXPECT_EQ(refresh_at(lives(hours(1), duration::zero()), 0), start + minutes(30));
    EXPECT_EQ(refresh_at(lives(minutes(8), minutes(8)), 0), start + minutes(6));
    EXPECT_EQ(refresh_at(lives(hours(1), milliseconds(1)), 0), start + seconds(30));
    EXPECT_EQ(refresh_at(lives(seconds(8), milliseconds(1)), 0), start + seconds(2));
}

TEST(refresh_at, jitter_is_a_tenth_at_most_and_never_late) {
    for (const double jitter : {0.0, 0.3, 0.999}) {
        const auto at = refresh_at(lives(hours(2)), jitter);
        EXPECT_LE(at, start + hours(1));
        EXPECT_GE(at, start + minutes(54));
    }
    EXPECT_EQ(refresh_at(lives(-seconds(1)), 0.5), start);
}

TEST(retry_after, doubles_up_to_a_minute) {
    const token_refusal server_error{500, {}};
    EXPECT_EQ(retry_after(server_error, 1, 0), seconds(2));
    EXPECT_EQ(retry_after(server_error, 2, 0), seconds(4));
    EXPECT_EQ(retry_after(server_error, 5, 0), seconds(32));
    EXPECT_EQ(retry_after(server_error, 6, 0), seconds(60));
    EXPECT_EQ(retry_after(server_error, 4'000'000'000U, 0), seconds(60));
    EXPECT_EQ(retry_after({0, {}}, 0, 0), seconds(2));
    EXPECT_EQ(retry_after(server_error, 1, 0.5), milliseconds(1800));
}

TEST(retry_after, an_endpoint_that_is_updated_gets_ten_seconds_each_time) {
    for (const std::uint32_t n : {1U, 3U, 7U}) EXPECT_EQ(retry_after({410, {}}, n, 0), seconds(10));
}

TEST(retry_after, what_was_told_counts_within_reason) {
    EXPECT_EQ(retry_after({429, seconds(7)}, 3, 0.9), seconds(7));
    EXPECT_EQ(retry_after({429, duration::zero()}, 1, 0), milliseconds(500));
    EXPECT_EQ(retry_after({429, hours(1)}, 1, 0), seconds(60));
}

TEST(failure_table, some_failures_are_free_then_each_costs_twice_the_last) {
    failure_table t;
    const config::slow_down how{3, minutes(1), seconds(1)};
    for (int i = 0; i < 3; ++i) EXPECT_EQ(t.on_failure("1234", how, start), duration::zero());
    EXPECT_EQ(t.on_failure("1234", how, start), milliseconds(100));
    EXPECT_EQ(t.on_failure("1234", how, start), milliseconds(200));
    EXPECT_EQ(t.on_failure("1234", how, start), milliseconds(400));
    EXPECT_EQ(t.on_failure("1234", how, start), milliseconds(800));
    for (int i = 0; i < 100; ++i) EXPECT_EQ(t.on_failure("1234", how, start), seconds(1));
    EXPECT_EQ(t.on_failure("4321", how, start), duration::zero());
    EXPECT_EQ(t.on_failure("1234", how, start + minutes(1)), seconds(1));
    EXPECT_EQ(t.on_failure("1234", how, start + minutes(1) + seconds(1)), duration::zero());
}

TEST(failure_table, can_be_turned_off_and_survives_any_number_of_addresses) {
    failure_table t(16);
    for (int i = 0; i < 50; ++i)
        EXPECT_EQ(t.on_failure("a", {1, minutes(1), duration::zero()}, start), duration::zero());
    for (int i = 0; i < 10'000; ++i) t.on_failure(std::to_string(i), {1, minutes(1), seconds(1)}, start);
}

TEST(failure_table, in_a_full_set_the_oldest_gives_way) {
    failure_table t(4);
    const config::slow_down how{1, hours(1), seconds(1)};
    for (int i = 0; i < 4; ++i) {
        const std::string address(1, static_cast<char>('a' + i));
        EXPECT_EQ(t.on_failure(address, how, start + seconds(i)), duration::zero());
        EXPECT_EQ(t.on_failure(address, how, start + seconds(i)), milliseconds(100));
    }
    EXPECT_EQ(t.on_failure("e", how, start + seconds(9)), duration::zero());
    EXPECT_EQ(t.on_failure("a", how, start + seconds(9)), duration::zero()) << "forgotten for the fifth";
    EXPECT_EQ(t.on_failure("c", how, start + seconds(9)), milliseconds(200)) << "still known";
}

TEST(failure_table, all_of_one_customers_addresses_count_together) {
    failure_table t;
    const config::slow_down how{1, minutes(1), seconds(1)};
    for (int i = 0; i < 3; ++i) {
        const auto wait = t.on_failure(customer_part("network!host000" + std::to_string(i)), how, start);
        EXPECT_EQ(wait, i == 0 ? duration::zero() : i == 1 ? milliseconds(100) : milliseconds(200));
    }
    EXPECT_EQ(t.on_failure(customer_part("another!host0000"), how, start), duration::zero());
}

TEST(customer_part, is_half_of_an_ipv6_address) {
    EXPECT_EQ(customer_part("1234"), "1234");
    EXPECT_EQ(customer_part("0123456789abcdef"), "01234567");
}

TEST(certificate_rules, fingerprint_before_name_and_only_in_its_time) {
    const wall_time now{hours(500'000)};
    certificate_claims c;
    c.fingerprint[0] = 1;
    c.names = {"dns:a", "uri:b"};
    c.not_before = now;
    c.expires = now + hours(1);
    certificate_rules rules;
    EXPECT_TRUE(rules.empty());
    rules.add_name("uri:b", 2);
    EXPECT_EQ(rules.find(c, now), 2U);
    rules.add_fingerprint(c.fingerprint, 1);
    EXPECT_EQ(rules.find(c, now), 1U);
    EXPECT_EQ(rules.find(c, now - seconds(1)), std::nullopt);
    EXPECT_EQ(rules.find(c, now + hours(1)), std::nullopt);
    c.fingerprint[0] = 9;
    c.names = {"uri:B"};
    EXPECT_EQ(rules.find(c, now), std::nullopt);
}

TEST(judge, a_refused_credential_is_renewed_once_unless_it_is_the_clients) {
    outcome o;
    o.about_credential = true;
    for (const int status : {401, 403}) {
        o.status = status;
        EXPECT_EQ(judge(o, {.can_renew = true}, {}).verdict, verdict::repeat_renewed);
        const auto again = judge(o, {.can_renew = true, .renewed = true}, {});
        EXPECT_EQ(again.verdict, verdict::elsewhere);
        EXPECT_EQ(again.instance, instance_signal::misconfigured);
        EXPECT_EQ(judge(o, {}, {}).verdict, verdict::elsewhere);
        const auto theirs = judge(o, {.can_renew = true, .own_credential = false}, {});
        EXPECT_EQ(theirs.verdict, verdict::commit);
        EXPECT_EQ(theirs.instance, instance_signal::reachable);
    }
    // Nothing was worked on, so it may be repeated even where a repeat would be felt.
    EXPECT_EQ(judge(o, {.repeatable = false, .can_renew = true}, {}).verdict, verdict::repeat_renewed);
    EXPECT_FALSE(judge(o, {.repeatable = false, .can_renew = true}, {}).spends_budget);
    o.kind = outcome_kind::no_credential;
    const auto none = judge(o, {}, {});
    EXPECT_EQ(none.verdict, verdict::elsewhere);
    EXPECT_EQ(none.instance, instance_signal::none);
    EXPECT_EQ(none.backend, backend_signal::none);
}

TEST(header_rules, some_fields_name_deployments) {
    for (const auto* name :
         {"x-ms-spillover-deployment", "X-MS-OAI-Image-Generation-Deployment", "x-ms-my-DEPLOYMENT-x"})
        EXPECT_TRUE(names_deployment(name)) << name;
    for (const auto* name : {"x-ms-client-request-id", "deployment", "x-deployment"})
        EXPECT_FALSE(names_deployment(name)) << name;
}

}  // namespace token_plan_test
}  // namespace spillway::core
