#include <gtest/gtest.h>

#include <spillway/http/endpoint_url.hpp>

namespace spillway::http {
namespace {

TEST(endpoint_url, the_usual_azure_endpoint) {
    const auto u = parse_endpoint_url("https://contoso.openai.azure.com/");
    ASSERT_TRUE(u);
    EXPECT_TRUE(u->tls);
    EXPECT_EQ(u->host, "contoso.openai.azure.com");
    EXPECT_EQ(u->port, 443);
    EXPECT_EQ(u->prefix, "");
    EXPECT_EQ(u->host_field, "contoso.openai.azure.com");
}

TEST(endpoint_url, keeps_port_and_prefix) {
    const auto u = parse_endpoint_url("http://localhost:8080/ai//");
    ASSERT_TRUE(u);
    EXPECT_FALSE(u->tls);
    EXPECT_EQ(u->port, 8080);
    EXPECT_EQ(u->prefix, "/ai");
    EXPECT_EQ(u->host_field, "localhost:8080");
}

TEST(endpoint_url, ipv6_hosts_lose_their_brackets_but_not_in_the_host_field) {
    const auto u = parse_endpoint_url("https://[::1]:9443");
    ASSERT_TRUE(u);
    EXPECT_EQ(u->host, "::1");
    EXPECT_EQ(u->host_field, "[::1]:9443");
}

TEST(endpoint_url, what_is_no_url_is_refused) {
    for (const auto* bad : {"", "contoso.openai.azure.com", "ftp://x", "https://", "https://h:0", "https://h:x",
                            "https://h:70000", "https://h/a?b", "https://[::1", "https://h/#f"})
        EXPECT_FALSE(parse_endpoint_url(bad)) << bad;
}

TEST(endpoint_url, credentials_and_what_no_request_can_carry_are_refused) {
    for (const auto* bad : {"https://u:p@h", "https://u@h/x", "http://@h", "https://h/a b", " https://h",
                            "https://h ", "https://h\t", "https://h/\x01", "https://h\xC3\xA9", "https://a,b",
                            "https://h\\x", "https://h?x", "https://h#x", "https://u:p@127.0.0.1:1/"})
        EXPECT_FALSE(parse_endpoint_url(bad)) << bad;
    EXPECT_TRUE(parse_endpoint_url("https://h/a%20b"));
    EXPECT_TRUE(parse_endpoint_url("https://[fe80::1%25eth0]:443"));
}

TEST(endpoint_url, what_is_wrong_is_told_without_the_url) {
    const auto t = endpoint_trouble("https://someone:secret-word@h/x?y");
    EXPECT_NE(t.what.find("password"), std::string_view::npos);
    EXPECT_EQ(std::string(t.what).find("secret-word"), std::string::npos);
    EXPECT_NE(endpoint_trouble("https://h/x?api-version=1").what.find("query"), std::string_view::npos);
    EXPECT_NE(endpoint_trouble("h").what.find("no URL"), std::string_view::npos);
    EXPECT_TRUE(endpoint_trouble("https://h:8443/prefix/").what.empty());
}

TEST(endpoint_url, a_part_of_the_apis_path_is_not_the_endpoint) {
    for (const auto* bad : {"https://h/openai", "https://h/openai/", "https://h/openai/v1", "https://h/openai/v1//",
                            "https://h/openai/deployments/x", "https://h/openai/deployments/x/chat/completions",
                            "https://h/models", "https://h/openai/deployments"})
        EXPECT_FALSE(api_endpoint_trouble(bad).what.empty()) << bad;
    for (const auto* good : {"https://h", "https://h/", "https://h/ai", "https://h/v1", "https://openai.example/x",
                             "http://h:8080/team/models-of-ours"})
        EXPECT_TRUE(api_endpoint_trouble(good).what.empty()) << good;
}

TEST(host_port, takes_names_with_and_without_port) {
    EXPECT_EQ(parse_host_port("h:81", 80)->second, 81);
    EXPECT_EQ(parse_host_port("h", 80)->second, 80);
    EXPECT_EQ(parse_host_port("[::1]", 80)->first, "::1");
}

}  // namespace
}  // namespace spillway::http
