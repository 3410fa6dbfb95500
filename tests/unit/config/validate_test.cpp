#include <gtest/gtest.h>

#include <fstream>

#include "support.hpp"

namespace spillway::config {
namespace validate_test {

std::string told_after(const std::string& from, const std::string& to) {
    return told(check(with(good(), from, to), usual()));
}

::testing::AssertionResult has(const std::string& all, const std::string& part) {
    if (all.find(part) != std::string::npos) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "not told: " << part << "\ntold:\n" << all;
}

TEST(validate, names_that_do_not_exist_are_told_with_the_nearest) {
    EXPECT_TRUE(
        has(told_after("pool: p", "pool: pp"), "routes[0].pool: there is no pool called 'pp'. did you mean 'p'?") ||
        has(told_after("pool: p", "pool: pp"), "there is no pool called 'pp'"));
    EXPECT_TRUE(has(told_after("clients: [shop]", "clients: [shp]"),
                    "there is no client called 'shp'. did you mean 'shop'?"));
    EXPECT_TRUE(has(told_after("clients: [shop]", "clients: [\"group:h\"]"), "no client is in group 'h'"));
    EXPECT_TRUE(has(told_after("credential: key", "credential: kay"), "there is no credential called 'kay'"));
    EXPECT_TRUE(has(told_after("{ instance: a,", "{ instance: c,"), "there is no instance called 'c'"));
    EXPECT_TRUE(
        has(told_after("pool: p }", "pool: p, operations: [chatt] }"), "there is no operation called 'chatt'"));
    EXPECT_TRUE(has(told_after("    model: gpt-4o", "    balance: least\n    model: gpt-4o"),
                    "there is no algorithm called"));
}

TEST(validate, another_model_or_version_in_a_pool_is_refused_naming_both) {
    const auto text = told_after("deployment: d2, ", "deployment: d2, version: \"2024-08-06\", ");
    EXPECT_TRUE(has(text, "2024-08-06"));
    EXPECT_TRUE(has(text, "2024-11-20"));
    EXPECT_TRUE(has(text, "split"));
}

TEST(validate, standard_backends_of_one_quota_are_advised_against) {
    auto text = with(good(), "region: swedencentral, geography: eu, subscription: s2",
                     "region: westeurope, geography: eu, subscription: s1");
    text = with(text, "type: provisioned", "type: standard");
    const auto r = check(text, usual());
    ASSERT_TRUE(r) << told(r);
    EXPECT_TRUE(has(told(r), "warning: pools.p.backends[1]"));
    EXPECT_TRUE(has(told(r), "no throughput"));
}

struct regions_case {
    const char* name;
    std::string gateway, prefer;
    std::string told;  // "" when there is nothing to say
    bool refused{false};
};
class prefer_region : public ::testing::TestWithParam<regions_case> {};

TEST_P(prefer_region, needs_a_region_to_prefer) {
    const auto& c = GetParam();
    auto text = with(good(), "    model: gpt-4o", "    prefer: " + c.prefer + "\n    model: gpt-4o");
    text = with(text, "version: 1\n", "version: 1\ngateway: { " + c.gateway + " }\n");
    const auto r = check(text, usual());
    EXPECT_EQ(static_cast<bool>(r), !c.refused) << told(r);
    if (c.told.empty()) {
        EXPECT_EQ(told(r).find("region"), std::string::npos) << told(r);
    } else {
        EXPECT_TRUE(has(told(r), c.told));
    }
}

INSTANTIATE_TEST_SUITE_P(
    validate, prefer_region,
    ::testing::Values(
        regions_case{"none", "name: x", "none", ""},
        regions_case{"only_elsewhere", "region: eastus", "region_only", "in eastus, the gateway's own region", true},
        regions_case{"only_unknown", "name: x", "region_only",
                     "pools.p.prefer: the gateway's own region is not known", true},
        regions_case{"only", "region: westeurope", "region_only", ""},
        regions_case{"first", "region: westeurope, regions: [swedencentral, westeurope]", "region_first", ""},
        regions_case{"first_unknown", "name: x", "region_first", "region is not known"},
        regions_case{"first_elsewhere", "region: eastus", "region_first", "set gateway.regions"},
        regions_case{"region_elsewhere", "region: eastus", "region", "set gateway.regions"},
        regions_case{"region_in_order", "region: eastus, regions: [westeurope]", "region", ""},
        regions_case{"misspelt", "region: westeurope, regions: [swedencentrl]", "region",
                     "no instance is in region 'swedencentrl'. did you mean 'swedencentral'?"},
        regions_case{"twice", "region: westeurope, regions: [swedencentral, swedencentral]", "region",
                     "gateway.regions[1]: the region is listed twice"},
        regions_case{"order_for_nobody", "region: westeurope, regions: [swedencentral]", "region_only",
                     "no pool asks for an order"},
        regions_case{"nonsense", "region: westeurope", "regional", "regional", true}),
    [](const auto& of) { return std::string(of.param.name); });

struct boundary {
    const char* name;
    std::string gateway;    // the gateway's geography
    std::string type;       // of the second backend
    std::string elsewhere;  // geography of its instance
    std::string told;       // "" when it is allowed
};
class residency : public ::testing::TestWithParam<boundary> {};

TEST_P(residency, looks_at_type_and_place) {
    const auto& b = GetParam();
    auto text = with(good(), "version: 1\n", "version: 1\ngateway: { geography: \"" + b.gateway + "\" }\n");
    text = with(text, "deployment: d2, ", "deployment: d2, type: " + b.type + ", ");
    text = with(text, "region: swedencentral, geography: eu",
                "region: swedencentral, geography: \"" + b.elsewhere + "\"");
    const auto r = check(text, usual());
    EXPECT_EQ(static_cast<bool>(r), b.told.empty()) << told(r);
    if (!b.told.empty()) {
        EXPECT_TRUE(has(told(r), b.told));
    }
}

INSTANTIATE_TEST_SUITE_P(
    validate, residency,
    ::testing::Values(boundary{"inside", "eu", "standard", "eu", ""},
                      boundary{"zone_inside", "eu", "data_zone_standard", "eu", ""},
                      boundary{"global_type_in_the_right_region", "eu", "global_standard", "eu",
                               "anywhere in the world"},
                      boundary{"developer_type", "eu", "developer", "eu", "anywhere in the world"},
                      boundary{"other_geography", "eu", "standard", "us", "instance b lies in geography us"},
                      boundary{"unknown_geography", "eu", "standard", "", "is not stated"},
                      boundary{"no_boundary", "", "global_standard", "us", ""}),
    [](const auto& one) { return one.param.name; });

TEST(validate, a_clients_own_boundary_binds_every_pool_it_may_use) {
    auto text = with(good(), "groups: [g]", "groups: [g], geography: eu");
    EXPECT_TRUE(check(text, usual()));
    text = with(text, "region: swedencentral, geography: eu", "region: eastus, geography: us");
    EXPECT_TRUE(has(told(check(text, usual())), "client shop"));
}

TEST(validate, one_key_belongs_to_one_client) {
    const auto text = told_after(
        "routes:",
        "  other: { keys: [\"sha256:0000000000000000000000000000000000000000000000000000000000000001\"] }\nroutes:");
    EXPECT_TRUE(has(text, "the key belongs to client other already"));
}

TEST(validate, what_travels_in_clear_has_to_be_allowed) {
    EXPECT_TRUE(has(told_after("https://a.example", "http://a.example"), "not protected by TLS"));
    EXPECT_TRUE(check(with(good(), "https://a.example,", "http://a.example, insecure: true,"), usual()));
}

TEST(validate, the_admin_listener_is_not_open_to_the_world) {
    EXPECT_TRUE(has(told_after("listeners:", "admin: { address: \"0.0.0.0:9901\" }\nlisteners:"), "admin.address"));
}

TEST(validate, a_route_that_never_matches_is_told) {
    const auto text =
        told_after("pool: p }",
                   "pool: p }\n  - { name: late, clients: [shop], deployment: gpt-4o, operations: [chat], pool: p }");
    EXPECT_TRUE(has(text, "the route can never match: routes[0]"));
}

TEST(validate, shares_and_weights_that_serve_nobody_are_refused) {
    EXPECT_TRUE(has(told_after("pool: p }", "split: { p: 0 } }"), "the shares add up to nothing"));
    EXPECT_TRUE(has(told_after("pool: p }", "pool: p, split: { p: 1 } }"), "a pool and a split"));
    EXPECT_TRUE(has(told_after(", pool: p }", " }"), "neither pool nor split"));
    auto text = with(good(), "type: provisioned }", "weight: 0 }");
    text = with(text, "priority: 2 }", "weight: 0 }");
    EXPECT_TRUE(has(told(check(text, usual())), "every backend has weight 0"));
}

TEST(validate, two_listeners_cannot_share_an_address) {
    EXPECT_TRUE(has(told_after("credentials:", "  second: { address: 127.0.0.1:8443 }\ncredentials:"),
                    "the same as that of listener"));
}

TEST(identity, changes_with_what_makes_a_connection_different) {
    instance a;
    a.endpoint = "https://a";
    auto b = a;
    EXPECT_EQ(instance_identity(a), instance_identity(b));
    b.ca_file = "/x.pem";
    EXPECT_NE(instance_identity(a), instance_identity(b));
    backend d1, d2;
    d1.deployment = "1";
    d2.deployment = "2";
    EXPECT_NE(backend_identity(a, d1), backend_identity(a, d2));
    // A new credential or certificate authority is no other deployment: its breaker stays.
    EXPECT_EQ(backend_identity(a, d1), backend_identity(b, d1));
}

TEST(validate, endpoints_that_no_request_could_use_are_refused) {
    const auto endpoint = [](const std::string& url) {
        return told_after("endpoint: https://a.example,", "endpoint: \"" + url + "\",");
    };
    EXPECT_TRUE(has(endpoint("https://a.example/openai/v1"), "part of the API's path"));
    EXPECT_TRUE(has(endpoint("https://a.example/openai/deployments/x"), "part of the API's path"));
    EXPECT_TRUE(has(endpoint("https://a.example "), "a blank stands at an end"));
    EXPECT_TRUE(has(endpoint("https://a.example?api-version=1"), "has a query"));
    EXPECT_TRUE(has(endpoint("https://a.example/#x"), "has a fragment"));
    EXPECT_TRUE(has(endpoint("https://a b.example"), "no request can carry"));
    const auto secret = endpoint("https://user:hidden-word@a.example");
    EXPECT_TRUE(has(secret, "user name or password"));
    EXPECT_EQ(secret.find("hidden-word"), std::string::npos) << secret;
}

TEST(validate, no_url_may_hold_a_password) {
    for (const std::string where :
         {"token_providers: { t: { issuer: \"https://u:hidden-word@h\", audiences: [x] } }",
          "token_providers: { t: { tenant: x, authority: \"https://hidden-word@h\", audiences: [x] } }",
          "tracing: { endpoint: \"https://hidden-word@h\" }"}) {
        const auto all = told(check(good() + where + "\n", usual()));
        EXPECT_TRUE(has(all, "password")) << where;
        EXPECT_EQ(all.find("hidden-word"), std::string::npos) << all;
    }
}

TEST(validate, api_versions_are_dates_or_the_words_of_the_api) {
    const auto version = [](const std::string& v) {
        return told_after("endpoint: https://a.example,", "endpoint: https://a.example, api_version: \"" + v + "\",");
    };
    for (const auto* good : {"2024-10-21", "2025-04-01-preview", "v1", "preview", "latest"})
        EXPECT_EQ(version(good).find("api_version"), std::string::npos) << good;
    for (const auto* bad : {"", "apikey", "api-version=2024-10-21", "2024-10-21&x=y", "2024-10-21 x", "2024&x=1#y",
                            "2024-13-41", "2024-10-21-Preview", "2024-10-21 "})
        EXPECT_TRUE(has(version(bad), "instances.a.api_version")) << bad;
}

TEST(validate, texts_that_travel_in_a_path_or_a_head_are_plain) {
    EXPECT_TRUE(has(told_after("deployment: d1,", "deployment: \"d1 \","), "begins or ends with a blank"));
    EXPECT_TRUE(has(told_after("deployment: d1,", "deployment: \"\","), "the deployment has no name"));
    EXPECT_TRUE(has(told_after("region: westeurope", "region: w\xC3\xABst"), "no header field can carry"));
    EXPECT_TRUE(has(told_after("region: westeurope", "region: " + std::string(5000, 'r')), "is too long"));
    EXPECT_TRUE(has(told_after("address: 127.0.0.1:8443", "address: 127.0.0.1:8443, base_path: \"/a b\""),
                    "listeners.public.base_path"));
}

TEST(validate, tls_keys_of_an_instance_without_tls_are_told) {
    const auto text = told_after("https://a.example,", "http://a.example, insecure: true, ca_file: /etc/ca.pem,");
    EXPECT_TRUE(has(text, "warning: instances.a.ca_file: the endpoint does not speak TLS"));
}

TEST(check, a_file_that_breaks_off_is_not_said_to_lack_what_was_not_read) {
    std::string deep = good() + "x: ";
    for (int i = 0; i < 200; ++i) deep += "[";
    const auto all = told(check(deep, usual()));
    EXPECT_TRUE(has(all, "nested more than"));
    EXPECT_EQ(all.find("there is no listener"), std::string::npos) << all;
}

TEST(check, an_unknown_key_is_told_with_those_that_are_known) {
    const auto all = told(check(good() + "zzz: 1\n", usual()));
    EXPECT_TRUE(has(all, "known here: "));
    EXPECT_TRUE(has(told(check(good() + "affinity: {}\n", usual())), "affinity.keys"));
}

TEST(check, again_takes_new_keys_and_keeps_the_old_ones_when_the_keys_file_is_broken) {
    const std::string keys = ::testing::TempDir() + "spillway_again_keys.yaml";
    const auto key = [](char last) { return "[\"sha256:" + std::string(63, '0') + last + "\"]"; };
    const auto& names = test_names;
    std::ofstream(keys) << "shop: " << key('2') << "\n";
    const auto first = check("keys_file: " + keys + "\n" + good(), usual());
    ASSERT_TRUE(first) << told(first);
    ASSERT_EQ(first->tree.clients.at("shop").keys.size(), 2U);

    std::ofstream(keys) << "shop: [\"sha256:" << std::string(63, '0') << "3\", \"sha256:" << std::string(63, '0')
                        << "4\"]\n";
    const auto rotated = check_again(*first, names, usual());
    ASSERT_TRUE(rotated) << told(rotated);
    EXPECT_EQ(rotated->tree.clients.at("shop").keys.size(), 3U);

    std::ofstream(keys) << "shop: [broken\n";
    const auto kept = check_again(*rotated, names, usual());
    ASSERT_TRUE(kept) << told(kept);
    EXPECT_EQ(kept->tree.clients.at("shop").keys.size(), 3U);
    EXPECT_TRUE(has(told(kept), "warning: ")) << "and what is wrong with it";
    std::remove(keys.c_str());
}

}  // namespace validate_test
}  // namespace spillway::config
