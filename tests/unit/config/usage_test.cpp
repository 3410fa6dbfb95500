#include <gtest/gtest.h>

#include "support.hpp"

namespace spillway::config {
namespace usage_test {

std::string told_with(const std::string& more) { return told(check(good() + more, usual())); }

std::string told_of_client(const std::string& more) {
    return told(check(with(good(), "groups: [g]", "groups: [g], " + more), usual()));
}

::testing::AssertionResult has(const std::string& all, const std::string& part) {
    if (all.find(part) != std::string::npos) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "not told: " << part << "\ntold:\n" << all;
}

tree tree_of(const std::string& text) {
    const auto r = check(text, usual());
    if (!r) throw std::logic_error(told(r));
    return r->tree;
}

TEST(usage_config, without_a_section_there_is_no_ledger) { EXPECT_FALSE(tree_of(good()).usage); }

TEST(usage_config, a_ledger_has_defaults_and_takes_days) {
    const auto t = tree_of(good() + "usage: { streams: estimate, retention: { records: 30d } }\n");
    ASSERT_TRUE(t.usage);
    EXPECT_EQ(t.usage->store, "sqlite:/var/lib/spillway/usage.db");
    EXPECT_EQ(t.usage->streams, stream_usage::estimate);
    EXPECT_EQ(t.usage->retention.records, hours(24 * 30));
    EXPECT_TRUE(t.usage->end_users);
}

TEST(usage_config, stores_of_no_known_kind_and_passwords_in_urls_are_refused) {
    EXPECT_TRUE(has(told_with("usage: { store: mysql://db }\n"), "usage.store: the store is of no known kind"));
    EXPECT_TRUE(has(told_with("usage: { store: \"postgresql://u:secret@db/usage\" }\n"), "usage.password"));
    EXPECT_EQ(told_with("usage: { store: \"postgresql://u:secret@db/usage\" }\n").find("secret@"), std::string::npos);
    EXPECT_TRUE(has(told_with("quotas: { store: memcached }\n"), "quotas.store: the store is of no known kind"));
    EXPECT_TRUE(has(told_with("quotas: { store: \"redis://u:p@r\" }\n"), "quotas.password"));
    EXPECT_EQ(told_with("quotas: { store: \"redis://cache:6379/0\" }\n"), "");
    EXPECT_TRUE(has(told_with("quotas: { gateways: 3 }\n"), "each gateway counts by itself"));
}

TEST(usage_config, a_password_of_redis_wants_tls_or_this_very_machine) {
    const auto told_of = [](const std::string& store) {
        return told_with("quotas: { store: \"" + store + "\", password: \"${KEY}\" }\n");
    };
    for (const auto* store : {"redis://cache:6379/0", "redis://u@127.evil.example", "redis://10.0.0.1"})
        EXPECT_TRUE(has(told_of(store), "crosses the network in clear")) << store;
    for (const auto* store :
         {"rediss://u@cache:6380", "redis://localhost:6379", "redis://127.0.0.2/1", "redis://[::1]"})
        EXPECT_EQ(told_of(store), "") << store;
    EXPECT_TRUE(has(told_with("quotas: { store: \"redis://cache\", ca_file: /ca.pem }\n"), "does not speak TLS"));
}

TEST(usage_config, prices_are_for_a_million_tokens_and_exact) {
    const auto t = tree_of(
        good() + "prices: { currency: EUR, models: { gpt-4o: { input: 2.50, cached_input: 1.25, output: 10 } } }\n");
    const auto& p = t.prices.models.at("gpt-4o");
    EXPECT_EQ(p.input, 2'500'000);
    EXPECT_EQ(*p.cached_input, 1'250'000);
    EXPECT_EQ(p.output, 10'000'000);
    EXPECT_FALSE(p.audio_input);
    for (const auto* bad : {"cheap", "-1", "1.", ".5", "1e3", "0.0000001", "99999999999999"})
        EXPECT_TRUE(has(told_with("prices: { models: { gpt-4o: { input: \"" + std::string(bad) + "\" } } }\n"),
                        "is no price for a million tokens"))
            << bad;
    EXPECT_TRUE(has(told_with("prices: { models: { gpt4o: { input: 1 } } }\n"), "did you mean 'gpt-4o'?"));
    EXPECT_TRUE(
        has(told_with("prices: { models: { gpt-4o: { input: 1 } } }\n"), "answers of this model cost nothing"));
    EXPECT_TRUE(has(told_with("prices: { currency: euro }\n"), "prices.currency: 'euro' is no currency"));
    EXPECT_EQ(
        told_with("prices: { models: { gpt-4o: { input: 1, output: 2 }, gpt-4o.provisioned: { input: 0 } } }\n"), "");
}

TEST(usage_config, quotas_of_clients_pools_and_groups) {
    const auto t = tree_of(
        with(
            good(), "groups: [g]",
            "groups: [g], priority: low, quota: { requests_per_minute: 600, tokens_per_minute: 120k, concurrent: 50, "
            "budget: { tokens: 50M, per: week } }, pool_quotas: { p: { concurrent: 2 } }") +
        "groups: { g: { quota: { tokens_per_minute: 1000000M } } }\n");
    const auto& c = t.clients.at("shop");
    EXPECT_EQ(c.quota.requests_per_minute, 600U);
    EXPECT_EQ(c.quota.tokens_per_minute, 120'000U);
    EXPECT_EQ(c.quota.budget->tokens, 50'000'000U);
    EXPECT_EQ(c.quota.budget->per, period::week);
    EXPECT_EQ(c.priority, priority_class::low);
    EXPECT_EQ(c.pool_quotas.at("p").concurrent, 2U);
    EXPECT_EQ(t.groups.at("g").quota.tokens_per_minute, 1'000'000'000'000U);
}

TEST(usage_config, quotas_that_make_no_sense_are_told) {
    EXPECT_TRUE(has(told_of_client("quota: { budget: { per: day } }"), "the budget limits nothing"));
    EXPECT_TRUE(has(told_of_client("quota: { budget: { tokens: 5 } }"), "the gateway forgets at its end"));
    EXPECT_TRUE(has(told(check(with(good(), "groups: [g]", "groups: [g], quota: { budget: { money: 5 } }") +
                                   "usage: {}\nprices: { models: { other: { input: 1, output: 1 } } }\n",
                               usual())),
                    "pools.p.model: the price list does not have gpt-4o, so budgets of money do not limit it"));
    EXPECT_TRUE(has(told_of_client("quota: { budget: { money: 5 } }"), "there is no price list"));
    EXPECT_TRUE(has(told_of_client("pool_quotas: { q: { concurrent: 1 } }"), "there is no pool called 'q'"));
    EXPECT_TRUE(has(told_of_client("quota: { concurrent: 0 }"), "out of range"));
    EXPECT_TRUE(has(told_of_client("priority: urgent"), "is not one of: low, normal, high"));
    EXPECT_TRUE(has(told_with("groups: { h: { quota: { concurrent: 1 } } }\n"), "no client is in this group"));
    EXPECT_TRUE(
        has(told(check(with(good(), "    model: gpt-4o", "    shed: { low: 10%, normal: 20% }\n    model: gpt-4o"),
                       usual())),
            "normal would be refused before low"));
}

TEST(usage_config, capture_and_traces_say_where_to) {
    EXPECT_TRUE(
        has(told(check(with(good(), "pool: p }", "pool: p, capture: both }"), usual())), "set log.capture.file"));
    EXPECT_TRUE(has(told_with("tracing: { endpoint: collector }\n"), "the endpoint is no URL"));
    const auto t =
        tree_of(good() + "tracing: { endpoint: \"http://c:4318\", sample: 5%, headers: { x-key: \"${KEY}\" } }\n");
    EXPECT_EQ(t.tracing.headers.size(), 1U);
    EXPECT_DOUBLE_EQ(t.tracing.sample, 0.05);
}

}  // namespace usage_test
}  // namespace spillway::config
