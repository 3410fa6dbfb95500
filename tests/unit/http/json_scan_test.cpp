#include <gtest/gtest.h>

#include <array>

#include <spillway/http/json_scan.hpp>
#include <spillway/http/local_reply.hpp>
#include <spillway/http/stream_error.hpp>

namespace spillway::http {
namespace {

TEST(json_scan, finds_members_of_the_outermost_object_alone) {
    const std::string body =
        R"({"messages":[{"model":"inner","content":"\"model\":\"x\""}], "model" : "gpt-4o","stream":true,"n":-1.5e3})";
    json_query q;
    const auto model = q.want("model"), stream = q.want("stream"), absent = q.want("user");
    ASSERT_EQ(scan_json_object(body, q), json_error::none);
    EXPECT_EQ(q[model].raw, "\"gpt-4o\"");
    EXPECT_EQ(body.substr(q[model].offset, q[model].raw.size()), "\"gpt-4o\"");
    EXPECT_TRUE(q[stream].is_true());
    EXPECT_FALSE(q[absent].present());
    EXPECT_EQ(q.members(), 4U);
}

TEST(json_scan, names_are_compared_decoded) {
    json_query q;
    const auto model = q.want("model");
    ASSERT_EQ(scan_json_object(R"({"mod\u0065l":"a"})", q), json_error::none);
    EXPECT_EQ(q[model].raw, "\"a\"");
    json_query twice;
    twice.want("model");
    EXPECT_EQ(scan_json_object(R"({"model":"a","\u006dodel":"b"})", twice), json_error::duplicate);
}

TEST(json_scan, watched_names_are_counted_at_any_depth) {
    json_query q;
    const auto file = q.watch("file_id");
    std::array<json_hit, 4> hits;
    q.collect(hits);
    ASSERT_EQ(scan_json_object(R"({"input":[{"file_id":"f1"},{"x":{"file_id":null}}],"file_id":{"a":[1]}})", q),
              json_error::none);
    EXPECT_EQ(q.watched(file).count, 3U);
    EXPECT_EQ(q.watched(file).non_null, 2U);
    ASSERT_EQ(q.hits().size(), 3U);
    EXPECT_EQ(q.hits()[0].raw, "\"f1\"");
    EXPECT_EQ(q.hits()[2].raw, R"({"a":[1]})");
    EXPECT_EQ(q.hits()[2].depth, 1);
}

TEST(json_scan, values_of_every_kind_have_their_text) {
    json_query q;
    const auto v = q.want("v");
    for (const auto* text : {"\"s\"", "1", "-0.5E+10", "true", "false", "null", "[1,[2],{\"v\":3}]", "{\"a\":{}}"}) {
        json_query each = q;
        const std::string body = "{\"v\": " + std::string(text) + " }";
        ASSERT_EQ(scan_json_object(body, each), json_error::none) << text;
        EXPECT_EQ(each[v].raw, text);
    }
}

TEST(json_scan, what_is_no_json_is_refused) {
    const std::pair<std::string, json_error> cases[] = {
        {"", json_error::empty},
        {" \n", json_error::empty},
        {"\xEF\xBB\xBF{}", json_error::byte_order_mark},
        {"[]", json_error::not_an_object},
        {"{", json_error::unterminated},
        {"{\"a\":1", json_error::unterminated},
        {"{\"a", json_error::unterminated},
        {"{\"a\":1,}", json_error::syntax},
        {"{,}", json_error::syntax},
        {"{\"a\" 1}", json_error::syntax},
        {"{a:1}", json_error::syntax},
        {"{'a':1}", json_error::syntax},
        {"{\"a\":01}", json_error::syntax},
        {"{\"a\":1.}", json_error::syntax},
        {"{\"a\":+1}", json_error::syntax},
        {"{\"a\":nul}", json_error::syntax},
        {"{\"a\":[1}", json_error::syntax},
        {"{\"a\":\"\\x\"}", json_error::bad_escape},
        {"{\"a\":\"\\u12g4\"}", json_error::bad_escape},
        {"{\"a\":\"\n\"}", json_error::control_character},
        {"{} {}", json_error::trailing},
    };
    for (const auto& [text, error] : cases) {
        json_query q;
        EXPECT_EQ(describe(scan_json_object(text, q)), describe(error)) << text;
    }
}

TEST(json_scan, nesting_has_an_end) {
    json_query q;
    EXPECT_EQ(scan_json_object("{\"a\":" + std::string(5000, '[') + std::string(5000, ']') + "}", q),
              json_error::too_deep);
}

TEST(json_string, decodes_every_escape) {
    std::array<char, 64> memory;
    EXPECT_EQ(decode_json_string(R"("plain")", {}), "plain");
    EXPECT_EQ(decode_json_string(R"("a\"\\\/\b\f\n\r\t")", memory), "a\"\\/\b\f\n\r\t");
    EXPECT_EQ(decode_json_string(R"("\u00e4\ud83d\ude00")", memory), "\xC3\xA4\xF0\x9F\x98\x80");
    EXPECT_EQ(decode_json_string(R"("\ud83d")", memory), std::nullopt);
    EXPECT_EQ(decode_json_string(R"("\ude00")", memory), std::nullopt);
    EXPECT_EQ(decode_json_string("1", memory), std::nullopt);
}

TEST(json_string, writes_what_it_can_read_back) {
    std::string out;
    append_json_string(out, "a\"b\\c\n\x01\xFF");
    std::array<char, 64> memory;
    EXPECT_EQ(decode_json_string(out, memory), "a\"b\\c\n\x01\xEF\xBF\xBD");
    std::string replaced;
    append_replaced(replaced, "{\"m\":1}", 5, 1, "\"x\"");
    EXPECT_EQ(replaced, "{\"m\":\"x\"}");
}

TEST(local_reply, is_json_whatever_is_in_it) {
    const auto body = error_body(429, "a\"b", "line\nbreak \xFF");
    json_query q;
    const auto error = q.want("error");
    ASSERT_EQ(scan_json_object(body, q), json_error::none);
    EXPECT_EQ(q[error].kind, json_kind::object);
    EXPECT_NE(body.find("rate_limit_error"), std::string::npos);
}

TEST(stream_error, has_the_form_of_its_family) {
    const auto made = [](stream_family f, stream_error e) {
        std::string out;
        append_stream_error(out, f, e);
        return out;
    };
    const auto chat = made(stream_family::chat, {.message = "broke"});
    EXPECT_EQ(chat.substr(0, 15), "data: {\"error\":");
    EXPECT_EQ(chat.substr(chat.size() - 2), "\n\n");
    EXPECT_EQ(chat.find("[DONE]"), std::string::npos);
    const auto failed =
        made(stream_family::responses, {.message = "broke", .sequence_number = 7, .response_id = "resp_1"});
    EXPECT_EQ(failed.find("event: response.failed\ndata: {"), 0U);
    EXPECT_NE(failed.find("\"sequence_number\":7"), std::string::npos);
    EXPECT_NE(failed.find("\"id\":\"resp_1\""), std::string::npos);
    const auto plain = made(stream_family::responses, {.message = "broke"});
    EXPECT_EQ(plain.find("event: error\n"), 0U);
    for (const auto& text : {chat, failed, plain}) {
        const auto at = text.find("data: ") + 6;
        json_query q;
        EXPECT_EQ(scan_json_object(text.substr(at, text.size() - at - 2), q), json_error::none) << text;
    }
}

}  // namespace
}  // namespace spillway::http
