#include "../../../src/credentials/sources.hpp"

#include <gtest/gtest.h>

#include <ctime>

namespace spillway::credentials {
namespace {

token_answer read(const std::string& body, int status = 200, const std::string& retry_after = {}) {
    net::fetched f;
    f.status = status;
    f.body = body;
    f.retry_after = retry_after;
    return read_token_answer(f, "who");
}

// What is left of a token's life, to the nearest ten seconds: some forms count from the clock on the wall.
std::int64_t life(const token_answer& a) {
    const auto* got = std::get_if<got_token>(&a);
    if (got == nullptr) return -1;
    const auto left = std::chrono::duration_cast<seconds>(got->times.expires - got->times.got).count();
    return (left + 5) / 10 * 10;
}

std::string refusal(const token_answer& a) {
    const auto* none = std::get_if<no_token>(&a);
    return none == nullptr ? "a token" : none->message;
}

TEST(token_answer, tells_its_life_in_every_form_that_hosts_use) {
    const auto now = std::time(nullptr);
    EXPECT_EQ(life(read(R"({"access_token":"t","expires_in":3600})")), 3600);
    EXPECT_EQ(life(read(R"({"access_token":"t","expires_in":"3600","expires_on":"1"})")), 3600);
    EXPECT_EQ(life(read(R"({"access_token":"t","expires_on":)" + std::to_string(now + 7200) + "}")), 7200);
    EXPECT_EQ(life(read(R"({"access_token":"t","expires_on":")" + std::to_string(now + 7200) + "\"}")), 7200);
    const auto later = now + 1800;
    std::tm parts{};
    ::gmtime_r(&later, &parts);
    char date[64];
    std::strftime(date, sizeof date, "%m/%d/%Y %H:%M:%S +00:00", &parts);
    EXPECT_EQ(life(read(R"({"access_token":"t","expires_on":")" + std::string(date) + "\"}")), 1800);
    EXPECT_EQ(life(read(R"({"access_token":"t","expires_in":99999999999})")), 48 * 3600);
}

TEST(token_answer, brings_the_token_and_when_to_renew_it) {
    const auto a = read(R"({"access_token":"abc.def","expires_in":3600,"refresh_in":"1800"})");
    ASSERT_TRUE(std::holds_alternative<got_token>(a));
    EXPECT_EQ(std::get<got_token>(a).token.view(), "abc.def");
    EXPECT_EQ(std::get<got_token>(a).times.refresh_in, seconds(1800));
    const auto silent = read(R"({"access_token":"a","expires_in":3600})");
    EXPECT_FALSE(std::get<got_token>(silent).times.refresh_in);
}

TEST(token_answer, without_a_life_ahead_it_is_no_token) {
    for (const auto* more : {"", R"(,"expires_in":0)", R"(,"expires_in":-1)", R"(,"expires_on":"1000000000")",
                             R"(,"expires_on":"soon")", R"(,"expires_on":"13/45/2030 00:00:00 +00:00")",
                             R"(,"expires_on":"01/01/2001 00:00:00 +00:00")", R"(,"expires_in":[3600])"})
        EXPECT_EQ(refusal(read(std::string(R"({"access_token":"t")") + more + "}")),
                  "who answered a token that has expired")
            << more;
}

TEST(token_answer, what_cannot_be_a_header_value_is_no_token) {
    const std::string life_of_it = R"(","expires_in":60})";
    for (const auto& token :
         {std::string("a\\r\\nX: y"), std::string("a b"), std::string("a\\tb"), std::string(16 * 1024 + 1, 'a')})
        EXPECT_EQ(refusal(read(R"({"access_token":")" + token + life_of_it)), "who answered what is no token");
    // NUL, ESC and their like break heads apart; the others are in no token (RFC 6750).
    const char* const odd[] = {R"(a\u0000b)", R"(a\u0001b)", R"(a\u000bb)", R"(a\u001b[31mb)",
                               R"(a\u007fb)", R"(a\u00e9b)", R"(a\u0085b)", R"(a\ud83d\ude00b)",
                               R"(a\"b)",     "a,b",         "a;b",         "a=b",
                               "=",           "==",          "a:b",         "{a}",
                               "%20"};
    for (const auto* token : odd)
        EXPECT_EQ(refusal(read(R"({"access_token":")" + std::string(token) + life_of_it)),
                  "who answered what is no token")
            << token;
    for (const auto* token : {"a", "A-z_0.9~+/", "abc.def-ghi.j_k", "YWJj==", "a="})
        EXPECT_EQ(refusal(read(R"({"access_token":")" + std::string(token) + life_of_it)), "a token") << token;
    for (const auto* body : {"", "null", "[]", "7", "{", "{}", R"({"access_token":""})", R"({"access_token":7})"})
        EXPECT_EQ(refusal(read(body)), "who answered without a token") << body;
}

TEST(token_answer, a_refusal_says_what_the_endpoint_said_in_one_short_line) {
    EXPECT_EQ(refusal(read("", 500)), "who refused: status 500");
    EXPECT_EQ(refusal(read("<html>", 404)), "who refused: status 404");
    EXPECT_EQ(
        refusal(read(R"({"error":"invalid_client","error_description":"AADSTS7000215: no.\r\nTrace: x"})", 401)),
        "who refused: status 401: invalid_client: AADSTS7000215: no.");
    EXPECT_EQ(refusal(read(R"({"error":{"code":"x"}})", 401)), "who refused: status 401");
    EXPECT_LT(refusal(read(R"({"error":")" + std::string(9999, 'e') + "\"}", 401)).size(), 250U);
    EXPECT_EQ(refusal(read(R"({"access_token":"not for logs","expires_in":60})", 403)), "who refused: status 403");
}

TEST(token_answer, a_refusal_says_when_to_come_again) {
    const auto a = read("", 429, "17");
    ASSERT_TRUE(std::holds_alternative<no_token>(a));
    EXPECT_EQ(std::get<no_token>(a).how.status, 429);
    EXPECT_EQ(std::get<no_token>(a).how.told, seconds(17));
    EXPECT_FALSE(std::get<no_token>(a).unavailable);
    EXPECT_FALSE(std::get<no_token>(read("", 429, "")).how.told);
}

TEST(token_answer, an_endpoint_that_is_not_there_is_told_from_one_in_trouble) {
    const auto unavailable = [](std::string_view code) {
        const auto a = failed_fetch({.code = code, .message = "m"}, "who");
        EXPECT_EQ(refusal(a), "who: m");
        return std::get<no_token>(a).unavailable;
    };
    EXPECT_TRUE(unavailable("FetchConnect") && unavailable("FetchTimeout"));
    EXPECT_FALSE(unavailable("FetchFailed") || unavailable("FetchTooLarge"));
}

TEST(form, escapes_everything_but_unreserved_characters) {
    std::string out;
    append_form(out, "a", "A-z_0.9~");
    append_form(out, "b", "https://x/.default &=+%\xc3\xa4");
    EXPECT_EQ(out, "a=A-z_0.9~&b=https%3A%2F%2Fx%2F.default%20%26%3D%2B%25%C3%A4");
    std::string url = "http://x/?";
    append_form(url, "a", "");
    append_form(url, "b", "1");
    EXPECT_EQ(url, "http://x/?a=&b=1");
}

TEST(resource, is_the_scope_without_its_last_part) {
    EXPECT_EQ(resource_of("https://cognitiveservices.azure.com/.default"), "https://cognitiveservices.azure.com");
    EXPECT_EQ(resource_of("api://x//.default"), "api://x/");
    EXPECT_EQ(resource_of("https://x"), "https://x");
    EXPECT_EQ(resource_of("/.default"), "");
}

}  // namespace
}  // namespace spillway::credentials
