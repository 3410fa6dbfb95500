#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

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

TEST(json_scan, in_slices_of_any_size_it_finds_the_same) {
    for (const std::string_view body :
         {R"({"stream":true,"a":[1,{"model":"x"},"\u0041"],"model":"gpt-4o","user":"me"} )", R"({})", R"({"a":)", "",
          R"({"a":1} x)", R"({"model":1,"model":2})", R"([1])", R"({"a":[1,,2]})"}) {
        json_query whole;
        const auto model = whole.want("model");
        const auto told = scan_json_object(body, whole);
        for (std::size_t slice = 1; slice < 40; ++slice) {
            json_query q;
            q.want("model");
            json_slices s(body, q);
            while (!s.go_on(slice)) {
            }
            EXPECT_EQ(s.result(), told) << body << " in slices of " << slice;
            EXPECT_EQ(q[model].raw, whole[model].raw);
            EXPECT_EQ(q.members(), whole.members());
            EXPECT_EQ(q.error_offset(), whole.error_offset());
            EXPECT_EQ(q.close_offset(), whole.close_offset());
        }
    }
}

TEST(json_scan, a_slice_is_a_part_of_the_work) {
    std::string body = R"({"a":[0)";
    for (int i = 0; i < 100'000; ++i) body += ",1";
    body += "]}";
    json_query q;
    json_slices s(body, q);
    std::size_t slices = 1;
    while (!s.go_on(1000)) ++slices;
    EXPECT_EQ(s.result(), json_error::none);
    EXPECT_GT(slices, 190U);
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

constexpr json_place listed[] = {{0, "a"}, {0, "data", true}, {1, ""}, {3, "x"}, {3, "yy"}};
constexpr json_places heard_places(listed);

struct listening final : json_sink {
    std::vector<std::string> heard;
    void on_value(std::uint8_t place, std::string_view name, json_kind kind, std::string_view raw) noexcept override {
        const bool container = kind == json_kind::object || kind == json_kind::array;
        heard.push_back(std::to_string(place) + " " + std::string(name) + "=" + (container ? "[" : std::string(raw)));
    }
    void on_close(std::uint8_t place, std::uint32_t members) noexcept override {
        heard.push_back(std::to_string(place) + "]" + std::to_string(members));
    }
};

TEST(json_scan, tells_of_the_places_that_were_asked_for_and_of_no_others) {
    const std::pair<std::string, std::vector<std::string>> cases[] = {
        {R"({"x":1,"b":[{"x":1}],"a":"text"})", {"1 a=\"text\""}},
        {R"({"a":[{"x":1,"z":{"x":2},"\u0079y":null}]})", {"1 a=[", "3 a=[", "4 x=1", "5 yy=null", "3]3", "1]0"}},
        {R"({"a":{"x":1}})", {"1 a=[", "1]1"}},
        {R"({"a":[[{"x":1}], "s"]})", {"1 a=[", "3 a=[", "3]0", "3 x=\"s\"", "1]0"}},
        {R"({"data":{"deep":[[{"name":true}]]}})",
         {"2 data=[", "2 deep=[", "2 deep=[", "2 deep=[", "2 name=true", "2]1", "2]0", "2]0", "2]1"}},
        {R"({"A":[{"x":1}],"data ":1})", {}},
    };
    for (const auto& [body, heard] : cases) {
        json_query q;
        listening l;
        q.listen(heard_places, l);
        ASSERT_EQ(scan_json_object(body, q), json_error::none) << body;
        EXPECT_EQ(l.heard, heard) << body;
    }
}

TEST(json_scan, names_that_careless_readers_take_for_another_are_told) {
    const auto is_lookalike = [](std::string_view name) {
        json_query q;
        const auto model = q.want("model");
        q.want("stream");
        const std::string body = "{\"model\":\"a\",\"" + std::string(name) + "\":\"b\"}";
        EXPECT_EQ(scan_json_object(body, q), json_error::none) << name;
        EXPECT_EQ(q[model].raw, "\"a\"");
        return q[model].lookalike;
    };
    for (const auto* name :
         {"Model", "MODEL", "mOdEl", "M\\u006fdel", "\\u004dodel", "model ", " model", "mo-del", "model\\u0000",
          "\xEF\xBD\x8D\xEF\xBD\x8F\xEF\xBD\x84\xEF\xBD\x85\xEF\xBD\x8C", "\\uff2dodel", "mo\\u200bdel",
          "\xEF\xBB\xBFmodel", "model\xC2\xAD", "m\xCC\x88odel", "\\u00a0model"})
        EXPECT_TRUE(is_lookalike(name)) << name;
    for (const auto* name : {"models", "mode",
                             "m\xC3\xB6"
                             "del",
                             "model_id", "modell", "messages", "", "\xD0\xBCodel",
                             "the_name_of_a_member_that_is_rather_long", "m\xF0\x9F\x98\x80odel"})
        EXPECT_FALSE(is_lookalike(name)) << name;
}

TEST(json_scan, a_name_that_cannot_be_decoded_is_refused_where_names_decide) {
    json_query q;
    q.want("model");
    EXPECT_EQ(scan_json_object(R"({"mo\ud800del":"a"})", q), json_error::bad_name);
    json_query deeper;
    EXPECT_EQ(scan_json_object(R"({"metadata":{"mo\ud800del":"a"}})", deeper), json_error::none);
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
