#include <gtest/gtest.h>

#include <string>

#include <spillway/http/include_usage.hpp>

namespace spillway::http {
namespace {

// The body as it goes to the backend; empty when it stays as it is.
std::string asked(std::string_view body) {
    json_query q;
    const auto options = q.want("stream_options");
    EXPECT_EQ(scan_json_object(body, q), json_error::none) << body;
    const auto edit = ask_for_usage(body, q, q[options]);
    if (!edit) return {};
    std::string out;
    append_replaced(out, body, edit->offset, edit->removed, edit->inserted);
    return out;
}

bool client_asks(std::string_view body) {
    json_query q;
    const auto options = q.want("stream_options");
    EXPECT_EQ(scan_json_object(body, q), json_error::none) << body;
    return client_asks_for_usage(q[options]);
}

TEST(include_usage, one_slice_of_the_body_changes) {
    EXPECT_EQ(asked(R"( { "stream":true})"), R"( {"stream_options":{"include_usage":true}, "stream":true})");
    EXPECT_EQ(asked("{}"), R"({"stream_options":{"include_usage":true}})");
    EXPECT_EQ(asked(R"({"stream_options" : null ,"n":1})"), R"({"stream_options" : {"include_usage":true} ,"n":1})");
    EXPECT_EQ(asked(R"({"a":{},"stream_options":{}})"), R"({"a":{},"stream_options":{"include_usage":true}})");
    EXPECT_EQ(asked(R"({"stream_options":{"x":{"include_usage":true}}})"),
              R"({"stream_options":{"include_usage":true,"x":{"include_usage":true}}})");
    EXPECT_EQ(asked(R"({"stream_options":{ "include_usage" : false }})"),
              R"({"stream_options":{ "include_usage" : true }})");
    EXPECT_EQ(asked(R"({"stream_options":{"include\u005fusage":null,"y":1}})"),
              R"({"stream_options":{"include\u005fusage":true,"y":1}})");
}

TEST(include_usage, who_asks_already_or_sends_something_odd_is_left_alone) {
    for (const auto* body :
         {R"({"stream_options":{"include_usage":true}})", R"({"stream_options":{"include_usage":"yes"}})",
          R"({"stream_options":{"include_usage":1}})", R"({"stream_options":{"include_usage":{}}})",
          R"({"stream_options":{"include_usage":false,"include_usage":true}})", R"({"stream_options":[]})",
          R"({"stream_options":{"Include_Usage":true}})", R"({"stream_options":true})", R"({"stream_options":""})",
          R"({"Stream_Options":{}})"})
        EXPECT_EQ(asked(body), "") << body;
}

TEST(include_usage, tells_whether_the_client_asked) {
    EXPECT_TRUE(client_asks(R"({"stream_options":{"include_usage":true}})"));
    EXPECT_FALSE(client_asks(R"({"stream_options":{"include_usage":false}})"));
    EXPECT_FALSE(client_asks(R"({"stream_options":{"x":{"include_usage":true}}})"));
    EXPECT_FALSE(client_asks(R"({"stream_options":null})"));
    EXPECT_FALSE(client_asks(R"({})"));
}

TEST(include_usage, is_known_since_september_of_2024) {
    for (const auto* v :
         {"2024-09-01-preview", "2024-10-01-preview", "2024-10-21", "2025-04-01-preview", "v1", "preview", "latest"})
        EXPECT_TRUE(usage_can_be_asked(v)) << v;
    for (const auto* v : {"2024-08-01-preview", "2024-06-01", "2023-05-15", "", "2024-09", "2024/10/21",
                          "banana-banana", "2024-1o-21"})
        EXPECT_FALSE(usage_can_be_asked(v)) << v;
}

}  // namespace
}  // namespace spillway::http
