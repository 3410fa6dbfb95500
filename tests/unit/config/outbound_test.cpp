#include <gtest/gtest.h>

#include "support.hpp"

namespace spillway::config {
namespace outbound_test {

std::string told_with(const std::string& from, const std::string& to) {
    return told(check(with(good(), from, to), usual()));
}

std::string told_of_net(const std::string& section) { return told_with("listeners:", section + "\nlisteners:"); }

::testing::AssertionResult has(const std::string& all, const std::string& part) {
    if (all.find(part) != std::string::npos) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "not told: " << part << "\ntold:\n" << all;
}

TEST(outbound_proxy, is_a_map_or_none) {
    EXPECT_EQ(told_of_net("net: { proxy: none }"), "");
    EXPECT_EQ(told_of_net("net: { proxy: { url: \"http://proxy.corp:3128\", no_proxy: [.corp, 10.0.0.0/8] } }"), "");
    const auto none = check(with(good(), "listeners:", "net: { proxy: none }\nlisteners:"), usual());
    ASSERT_TRUE(none);
    EXPECT_TRUE(none->tree.net.proxy && none->tree.net.proxy->none);
    EXPECT_FALSE(check(good(), usual())->tree.net.proxy);
    const auto full = check(
        with(good(),
             "listeners:", "net: { proxy: { url: \"http://p:1\", user: u, password: \"${KEY}\" } }\nlisteners:"),
        usual());
    ASSERT_TRUE(full) << told(full);
    EXPECT_EQ(full->tree.net.proxy->user, "u");
    EXPECT_EQ(full->tree.net.proxy->password.describe(), "env:KEY");
}

TEST(outbound_proxy, mistakes_are_told_without_the_url) {
    const std::pair<std::string, std::string> cases[] = {
        {"proxy: \"http://u:hush@proxy:1\"", "a proxy is none or a map"},
        {"proxy: { url: \"http://u:hush@proxy:1\" }", "a credential stands in the URL"},
        {"proxy: { url: \"https://proxy:1\" }", "only proxies of the form http://host:port"},
        {"proxy: { url: \"proxy:1\" }", "only proxies of the form http://host:port"},
        {"proxy: { url: \"http://proxy:1/hush\" }", "the URL is not of the form"},
        {"proxy: { url: \"http://proxy:1\", password: \"${KEY}\" }", "there is a password, but no user"},
        {"proxy: { url: \"http://proxy:1\", user: \"u:hush\" }", "a user's name has no colon"},
        {"proxy: { url: \"http://proxy:1\", no_proxy: [\"http://hush\"] }", "no_proxy[0]"},
        {"proxy: { user: u }", "the key is missing"},
    };
    for (const auto& [section, words] : cases) {
        const auto text = told_of_net("net: { " + section + " }");
        EXPECT_TRUE(has(text, words)) << section;
        EXPECT_EQ(text.find("hush"), std::string::npos) << text;
    }
}

std::string told_of_a(const std::string& more, const std::string& endpoint = "https://a.example/v1") {
    return told_with("a: { endpoint: https://a.example,", "a: { endpoint: \"" + endpoint + "\", " + more + ",");
}

TEST(instance_kind, has_keys_of_its_own) {
    EXPECT_EQ(told_of_a("kind: openai, organization: org-1, project: p"), "");
    EXPECT_EQ(told_of_a("proxy: none", "https://a.example"), "");
    EXPECT_TRUE(has(told_of_a("kind: openai, api_version: \"2024-10-21\""), "OpenAI's own API has no api-version"));
    EXPECT_TRUE(has(told_of_a("organization: org-1"), "only instances of kind openai know it"));
    EXPECT_TRUE(has(told_of_a("kind: openai", "https://a.example"), "such as https://a.example/v1"));
    EXPECT_TRUE(has(told_of_a("kind: openai", "https://a.example/v1/chat/completions"), "write the base path"));
    EXPECT_TRUE(has(told_of_a("proxy: none", "https://api.openai.com/v1"), "set kind: openai"));
    EXPECT_TRUE(has(told_of_a("kind: opneai"), "did you mean 'openai'?"));
}

TEST(instance_kind, a_callers_own_token_never_goes_to_openai) {
    auto text =
        with(good(), "a: { endpoint: https://a.example,", "a: { kind: openai, endpoint: https://a.example/v1,");
    text = with(text, "pool: p }", "pool: p, passthrough: true }");
    EXPECT_TRUE(has(told(check(text, usual())), "would go to instance a, which is of kind openai"));
    text = with(text, "pool: p, ", "split: { p: 1 }, ");
    EXPECT_TRUE(has(told(check(text, usual())), "would go to instance a, which is of kind openai"));
}

TEST(instance_kind, another_kind_or_account_is_another_instance) {
    instance a;
    a.endpoint = "https://a/v1";
    auto b = a;
    b.kind = instance_kind::openai;
    EXPECT_NE(instance_identity(a), instance_identity(b));
    EXPECT_NE(backend_identity(a, {}), backend_identity(b, {}));
    auto c = b;
    c.organization = "org-1";
    EXPECT_NE(instance_identity(b), instance_identity(c));
}

}  // namespace outbound_test
}  // namespace spillway::config
