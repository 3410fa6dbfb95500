#include <gtest/gtest.h>

#include <spillway/core/cors.hpp>

namespace spillway::core {
namespace {

TEST(cors, an_origin_is_admitted_as_it_is_listed) {
    const cors_rules rules{
        {"https://app.example.com", "http://localhost:3000", "https://*.contoso.com"}, false, "600"};
    for (const auto* good :
         {"https://app.example.com", "http://localhost:3000", "https://a.contoso.com", "https://a.b-c.contoso.com"})
        EXPECT_TRUE(rules.admits(good)) << good;
    for (const auto* bad :
         {"", "null", "https://app.example.com:444", "http://app.example.com", "https://app.example.com.evil.example",
          "https://evil-app.example.com", "http://localhost:3001", "https://contoso.com", "https://.contoso.com",
          "https://evilcontoso.com", "http://a.contoso.com", "https://a.contoso.com:8443",
          "https://a.contoso.com.evil", "https://evil/.contoso.com", "https://evil?.contoso.com",
          "https://u@x.contoso.com", "*"})
        EXPECT_FALSE(rules.admits(bad)) << bad;
    EXPECT_FALSE(rules.any());
    EXPECT_FALSE(cors_rules{}.admits("https://app.example.com"));
}

TEST(cors, a_star_alone_admits_every_origin) {
    const cors_rules rules{{"*"}, false, "600"};
    EXPECT_TRUE(rules.any());
    EXPECT_TRUE(rules.admits("https://whoever.example"));
    EXPECT_TRUE(rules.admits("null"));
    EXPECT_FALSE(rules.admits(""));
    EXPECT_FALSE(rules.admits(std::string(5000, 'x')));
}

TEST(cors, asked_headers_are_repeated_when_they_are_a_list) {
    EXPECT_EQ(allowed_headers("api-key,content-type, x-stainless-lang"), "api-key,content-type, x-stainless-lang");
    EXPECT_EQ(allowed_headers(""), "");
    EXPECT_EQ(allowed_headers("a\tb"), "");
    EXPECT_EQ(allowed_headers("a<b>"), "");
    EXPECT_EQ(allowed_headers(std::string(5000, 'a')), "");
}

}  // namespace
}  // namespace spillway::core
