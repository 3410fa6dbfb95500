#include <gtest/gtest.h>

#include "support.hpp"

namespace spillway::config {
namespace {

TEST(load, a_good_file_has_no_issue_and_its_defaults) {
    const auto r = check(good(), usual());
    ASSERT_TRUE(r) << told(r);
    EXPECT_EQ(told(r), "");
    const auto& p = r->tree.pools.at("p");
    EXPECT_EQ(p.backends[0].type, deployment_type::provisioned);
    EXPECT_EQ(p.backends[1].priority, 2U);
    EXPECT_EQ(p.retry.attempts, 3U);
    EXPECT_EQ(p.timeouts.connect, seconds(5));
    EXPECT_FALSE(p.timeouts.first_byte) << "as long as the client waits";
    EXPECT_EQ(r->tree.listeners.at("public").limits.body, 64 * mebibyte);
    EXPECT_EQ(r->hash.size(), 32U);
}

struct mistake {
    const char* name;
    std::string from, to;
    std::string told;  // a part of the message, with the place
};

class mistakes : public ::testing::TestWithParam<mistake> {};

TEST_P(mistakes, are_told_with_place_key_and_remedy) {
    const auto r = check(with(good(), GetParam().from, GetParam().to), usual());
    ASSERT_FALSE(r);
    EXPECT_NE(told(r).find(GetParam().told), std::string::npos) << told(r);
}

INSTANTIATE_TEST_SUITE_P(
    load, mistakes,
    ::testing::Values(
        mistake{"unknown", "deployment: d1", "deploymnt: d1",
                "f.yaml:14:24: error: pools.p.backends[0].deploymnt: unknown key 'deploymnt'. did you mean "
                "'deployment'?"},
        mistake{"missing", "deployment: d1, ", "", "pools.p.backends[0].deployment: the key is missing"},
        mistake{"duplicate", "  b: {", "  a: {", "f.yaml:8:"},
        mistake{"duration", "    model: gpt-4o", "    timeouts: { idle: 5 minutes }\n    model: gpt-4o",
                "f.yaml:11:23: error: pools.p.timeouts.idle: '5 minutes' is not a duration. write a whole number"},
        mistake{"range", "    model: gpt-4o", "    retry: { attempts: 99 }\n    model: gpt-4o",
                "pools.p.retry.attempts: '99' is out of range. write 1 to 10"},
        mistake{"choice", "type: provisioned", "type: provisoned",
                "pools.p.backends[0].type: 'provisoned' is not one of: standard, provisioned"},
        mistake{"kind", "groups: [g]", "groups: {a: b}", "clients.shop.groups: a list is expected here, not a map"},
        mistake{"key in clear", "\"sha256:0000000000000000000000000000000000000000000000000000000000000001\"",
                "\"mykey\"", "clients.shop.keys[0]: client keys are stored as hashes only. run `spillway keys hash`"},
        mistake{"variable", "https://a.example", "\"https://${HOST}\"",
                "instances.a.endpoint: the environment variable HOST is not set. set it, or write ${HOST:-default}"},
        mistake{"two documents", "routes:", "---\nroutes:", "a second YAML document begins here"},
        mistake{"tag", "model: gpt-4o", "model: !!str gpt-4o", "pools.p.model"},
        mistake{"later", "routes:", "affinity: { mode: tagged }\nroutes:", "affinity.mode"},
        mistake{"syntax", "routes:", "routes: [", "f.yaml:"}, mistake{"tab", "  public:", "\tpublic:", "f.yaml:3:1"},
        mistake{"version", "version: 1", "version: 2", "version: '2' is out of range"},
        mistake{"name", "  shop:", "  \"sh op\":", "name has characters that no name has"}),
    [](const auto& one) {
        std::string name = one.param.name;
        std::replace(name.begin(), name.end(), ' ', '_');
        return name;
    });

TEST(load, tells_all_mistakes_at_once_in_the_order_of_the_file) {
    auto text = with(good(), "deployment: d1", "deploymnt: d1");
    text = with(text, "address: 127.0.0.1:8443", "adress: 127.0.0.1:8443");
    text = with(text, "pool: p", "pool: q");
    const auto r = check(text, usual());
    ASSERT_FALSE(r);
    const auto& all = r.error();
    ASSERT_GE(all.size(), 4U) << told(r);
    for (std::size_t i = 1; i < all.size(); ++i) EXPECT_LE(all[i - 1].line, all[i].line);
    EXPECT_NE(told(r).find("there is no pool called 'q'"), std::string::npos) << told(r);
}

TEST(load, aliases_that_explode_are_refused_quickly) {
    std::string text = "version: 1\na0: &a0 [x]\n";
    for (int i = 1; i < 30; ++i) {
        const auto before = "*a" + std::to_string(i - 1);
        text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
        for (int k = 0; k < 9; ++k) text += "," + before;
        text += "]\n";
    }
    const auto r = check(text);
    ASSERT_FALSE(r);
}

TEST(load, environment_fills_values_and_defaults) {
    auto text =
        with(good(), "version: 1\n", "version: 1\ngateway: { name: \"${A}-${B:-two}\", region: \"${C:-}\" }\n");
    const auto r = check(text, table({{"A", "one"}, {"KEY", "k"}}));
    ASSERT_TRUE(r) << told(r);
    EXPECT_EQ(r->tree.gateway.name, "one-two");
    EXPECT_EQ(r->tree.gateway.region, "");
}

TEST(load, no_issue_shows_a_secret) {
    auto text = with(good(), "\"${KEY}\"", "sk-clear-secret");
    text = with(text, "pool: p", "pool: q");
    const auto r = check(text, usual());
    ASSERT_FALSE(r);
    EXPECT_NE(told(r).find("a secret stands in the file in clear"), std::string::npos) << told(r);
    EXPECT_EQ(told(r).find("sk-clear"), std::string::npos);
}

TEST(load, bytes_that_are_no_text_are_refused) {
    EXPECT_FALSE(check(std::string("version: 1\n\0x: 1", 15)));
    EXPECT_FALSE(check("version: \xFF\xFE"));
    EXPECT_FALSE(check(""));
}

TEST(load, a_missing_file_is_an_issue) {
    const auto r = check_file("/nowhere/spillway.yaml", test_names);
    ASSERT_FALSE(r);
    EXPECT_NE(told(r).find("/nowhere/spillway.yaml: error: the file cannot be opened"), std::string::npos) << told(r);
}

TEST(load, equal_files_have_equal_hashes) {
    EXPECT_EQ(load_text(good(), "a", usual()).hash, load_text(good(), "b", usual()).hash);
    EXPECT_NE(load_text(good(), "a", usual()).hash, load_text(good() + "\n", "a", usual()).hash);
}

}  // namespace
}  // namespace spillway::config
