#include <gtest/gtest.h>

#include <memory>

#include <spillway/http/sse.hpp>

namespace spillway::http {
namespace {

std::unique_ptr<sse_scanner> read(std::string_view text, std::size_t step) {
    auto s = std::make_unique<sse_scanner>();
    for (std::size_t i = 0; i < text.size(); i += step) s->feed(text.substr(i, step));
    return s;
}

const std::string responses =
    "event: response.created\r\ndata: {\"type\":\"response.created\",\"sequence_number\":0,"
    "\"response\":{\"id\":\"resp_1\"}}\r\n\r\n: comment\r\n\r\n"
    "event: response.completed\r\ndata: "
    "{\"sequence_number\":5,\"response\":{\"usage\":{\"input_tokens\":3}}}\r\n\r\n";

TEST(sse, sees_the_same_in_every_split_and_with_every_line_end) {
    for (const auto* end : {"\n", "\r\n", "\r"}) {
        std::string text = responses;
        for (std::size_t at = 0; (at = text.find("\r\n", at)) != std::string::npos; at += std::string(end).size())
            text.replace(at, 2, end);
        for (std::size_t step = 1; step <= text.size(); ++step) {
            const auto s = read(text, step);
            ASSERT_EQ(s->events(), 2U) << step;
            EXPECT_EQ(s->first(0).name, "response.created");
            EXPECT_EQ(response_id_of(s->first(0).data), "resp_1");
            EXPECT_EQ(s->sequence_number(), 5U);
            EXPECT_EQ(s->next_sequence_number(), 6U);
            EXPECT_TRUE(s->terminal());
            EXPECT_FALSE(s->terminal_is_error());
            EXPECT_EQ(s->usage().json(), "{\"input_tokens\":3}");
        }
    }
}

TEST(sse, knows_where_something_may_be_put_in) {
    sse_scanner s;
    EXPECT_EQ(s.position(), sse_position::boundary);
    s.feed("data: x");
    EXPECT_EQ(s.position(), sse_position::inside_line);
    s.feed("\n");
    EXPECT_EQ(s.position(), sse_position::between_lines);
    s.feed("\n");
    EXPECT_EQ(s.position(), sse_position::boundary);
    s.feed(": comment\n");
    EXPECT_EQ(s.position(), sse_position::between_lines);
}

TEST(sse, a_line_of_a_megabyte_passes_and_keeps_little) {
    auto s = std::make_unique<sse_scanner>();
    s->feed("data: {\"b64\":\"");
    for (int i = 0; i < 1024; ++i) s->feed(std::string(1024, 'x'));
    s->feed("\",\"usage\":{\"total_tokens\":9}}\n\n");
    EXPECT_EQ(s->events(), 1U);
    EXPECT_TRUE(s->first(0).truncated);
    EXPECT_EQ(s->first(0).data.size(), sse_scanner::first_bytes);
    EXPECT_EQ(s->usage().json(), "{\"total_tokens\":9}");
}

TEST(sse, tells_terminal_events_of_each_family) {
    const auto terminal = [](std::string_view text) { return read(text, text.size()); };
    EXPECT_TRUE(terminal("data: [DONE]\n\n")->terminal());
    EXPECT_FALSE(terminal("data: [DONE]\n\n")->terminal_is_error());
    EXPECT_TRUE(terminal("data: {\"error\":{\"code\":\"x\"}}\n\n")->terminal_is_error());
    EXPECT_TRUE(terminal("event: error\ndata: {}\n\n")->terminal_is_error());
    EXPECT_TRUE(terminal("event: response.failed\ndata: {}\n\n")->terminal_is_error());
    EXPECT_TRUE(terminal("event: response.incomplete\ndata: {}\n\n")->terminal());
    EXPECT_FALSE(terminal("data: {\"choices\":[{\"text\":\"error\"}]}\n\n")->terminal());
    EXPECT_FALSE(terminal("data: {\"error\":null}\n\n")->terminal());
    EXPECT_FALSE(terminal("data: {\"a\":{\"error\":1}}\n\n")->terminal());
    EXPECT_FALSE(terminal(": only a comment\n\n")->terminal());
}

TEST(usage_tap, is_not_fooled_by_text_that_speaks_of_usage) {
    const auto found = [](std::string_view text) {
        std::string all;
        for (std::size_t step = 1; step <= text.size(); ++step) {
            usage_tap t;
            for (std::size_t i = 0; i < text.size(); i += step) t.feed(text.substr(i, step));
            if (step == 1) all = t.json();
            EXPECT_EQ(t.json(), all) << step;
        }
        return all;
    };
    EXPECT_EQ(found(R"({"content":"\"usage\": {\"x\":1}","usage":{"a":{"b":[1]},"s":"}"}})"),
              R"({"a":{"b":[1]},"s":"}"})");
    EXPECT_EQ(found(R"({"usage":null})"), "");
    EXPECT_EQ(found(R"({"usage":{"a":1},"x":{"usage" : {"a":2}}})"), R"({"a":1})")
        << "deeper it is no answer's usage";
    EXPECT_EQ(found(R"({"usage":{"a":1)"), "");
    EXPECT_EQ(found(R"({"a":"usage","usage":{}})"), "{}");
}

}  // namespace
}  // namespace spillway::http
