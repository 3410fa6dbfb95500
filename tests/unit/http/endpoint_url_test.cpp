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

TEST(host_port, takes_names_with_and_without_port) {
    EXPECT_EQ(parse_host_port("h:81", 80)->second, 81);
    EXPECT_EQ(parse_host_port("h", 80)->second, 80);
    EXPECT_EQ(parse_host_port("[::1]", 80)->first, "::1");
}

}  // namespace
}  // namespace spillway::http
