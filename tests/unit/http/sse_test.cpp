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
            EXPECT_EQ(s->first().name, "response.created");
            EXPECT_EQ(response_id_of(s->first().data), "resp_1");
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
    EXPECT_TRUE(s->first().truncated);
    EXPECT_EQ(s->first().data.size(), sse_scanner::first_bytes);
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

TEST(sse, what_an_event_says_before_the_answer_has_begun) {
    using m = event_meaning;
    const struct {
        const char* name;
        const char* data;
        m expected;
    } rows[] = {
        {"response.created", R"({"type":"response.created","response":{"error":null}})", m::nothing},
        {"response.queued", "{}", m::nothing},
        {"response.in_progress", "{}", m::nothing},
        {"keepalive", R"({"type":"keepalive","sequence_number":3})", m::nothing},
        {"", R"({"type":"response.in_progress","sequence_number":1})", m::nothing},
        {"", R"({"type":"keepalive"})", m::nothing},
        {"", R"({"id":"","choices":[],"prompt_filter_results":[{"prompt_index":0}]})", m::nothing},
        {"", R"({"prompt_annotations":[{"prompt_index":0}]})", m::nothing},
        {"", R"({"choices": [ ],"usage":null})", m::nothing},
        {"", "{}", m::nothing},
        {"", "", m::nothing},
        {"", "[DONE]", m::nothing},
        {"", R"({"choices":[{"delta":{"role":"assistant"}}]})", m::something},
        {"", R"({"choices":[],"usage":{"total_tokens":3}})", m::something},
        {"", R"({"n":0})", m::something},
        {"", "plain words", m::something},
        {"response.output_text.delta", R"({"delta":"a"})", m::something},
        {"response.completed", "{}", m::something},
        {"response.incomplete", "{}", m::something},
        {"error", "{}", m::error},
        {"response.failed", "{}", m::error},
        {"", R"({"type":"response.failed","response":{}})", m::error},
        {"", R"({"type":"error","code":"server_error"})", m::error},
        {"", R"({"error":{"code":"x"},"choices":[]})", m::error},
        {"", R"({"choices":[],"error":{"code":"x", cut off)", m::error},
        {"", R"({"choices":[{"delta":{"content":"{\"error\":{}}"}}]})", m::something},
    };
    for (const auto& r : rows) EXPECT_EQ(meaning_of(r.name, r.data), r.expected) << r.name << ' ' << r.data;
}

TEST(sse, watches_the_start_until_something_is_meant) {
    const std::string preamble =
        ": busy\n\nretry: 3000\n\nevent: response.created\ndata: {\"type\":\"response.created\"}\n\n"
        "event: keepalive\ndata: {}\n\n";
    const std::string failure = "event: error\ndata: {\"type\":\"error\",\ndata: \"code\":\"server_error\"}\n\n";
    const std::string delta = "event: response.output_text.delta\ndata: {\"delta\":\"a\"}\n\n";
    for (std::size_t step = 1; step < 40; ++step) {
        const auto watched = [&](const std::string& text, std::string& data) {
            auto s = std::make_unique<sse_scanner>();
            s->watch_start(&data);
            for (std::size_t i = 0; i < text.size(); i += step) s->feed(std::string_view(text).substr(i, step));
            return s->start();
        };
        std::string data;
        EXPECT_EQ(watched(preamble, data), event_meaning::nothing);
        EXPECT_EQ(watched(preamble + failure + delta, data), event_meaning::error);
        EXPECT_EQ(data, "{\"type\":\"error\",\n\"code\":\"server_error\"}");
        EXPECT_EQ(watched(preamble + delta + failure, data), event_meaning::something);
        EXPECT_TRUE(data.empty());
    }
}

TEST(sse, lines_of_one_event_are_one_text) {
    for (const auto* end : {"\n", "\r\n", "\r"}) {
        const std::string e(end);
        const std::string text = "data: {\"choices\":[]," + e + "data: \"usage\":{\"total_tokens\"" + e + "id: 1" +
                                 e + "data: :7}}" + e + e + "data: {\"usage\":" + e + e;
        for (std::size_t step = 1; step < text.size(); ++step) {
            const auto s = read(text, step);
            EXPECT_EQ(s->usage().json(), "{\"total_tokens\"\n:7}");
            EXPECT_EQ(s->events(), 2U);
        }
    }
}

TEST(sse, usage_is_found_in_whole_events_and_in_lines_that_go_on) {
    const auto found = [](std::string_view rest) {
        http::sse_scanner s;
        s.feed("data: {\"model\":\"m\"}\n\n");  // from here on nothing but usage is looked for
        s.feed(rest);
        return std::string(s.usage().json());
    };
    // One line; two of one event; the name across two lines is none; behind text of any length.
    EXPECT_EQ(found("data: {\"usage\":{\"a\":1}}\n\n"), "{\"a\":1}");
    EXPECT_EQ(found("data: {\"usage\" \t: {\"a\":1}}\r\n\r\n"), "{\"a\":1}");
    EXPECT_EQ(found("data: {\"x\":\ndata: 2,\"usage\":{\"a\":1}}\n\n"), "{\"a\":1}");
    EXPECT_EQ(found("data: {\"x\":1,\ndata: \"usage\":\ndata: {\"a\":1}}\n\n"), "{\"a\":1}");
    EXPECT_EQ(found("data: {\"usa\ndata: ge\":{\"a\":1}}\n\n"), "");
    EXPECT_EQ(found("data: {\"c\":{\"usage\":{\"a\":1}}}\n\ndata: {\"usage\":null}\n\n"), "");
    for (std::size_t n = 0; n < 70; ++n) {
        const std::string text(n, 'u');
        EXPECT_EQ(found("data: {\"c\":\"" + text + "\",\"usage\":{\"a\":1}}\n\n"), "{\"a\":1}") << n;
    }
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

TEST(sse_scanner, knows_the_end_marks_of_all_families) {
    const auto ended = [](std::string_view text) {
        sse_scanner s;
        s.feed(text);
        return s.has_end_mark();
    };
    for (const std::string_view whole :
         {"data: {}\n\ndata: [DONE]\n\n", "data: [DONE]\n", "event: done\ndata: [DONE]\n\n",
          "event: response.completed\ndata: {}\n\n", "event: response.cancelled\ndata: {}\n\n",
          "event: response.incomplete\ndata: {}\n\n", "event: response.failed\ndata: {}\n\n",
          "event: error\ndata: {}\n\n", "event: image_generation.completed\ndata: {}\n\n",
          "data: {\"type\":\"response.completed\",\"response\":{}}\n\n",
          "data: {\"type\": \"speech.audio.done\"}\n\n", "data: {\"error\":{\"code\":\"x\"}}\n\n"})
        EXPECT_TRUE(ended(whole)) << whole;
    for (const std::string_view cut : {"", "data: {}\n\n", "data: [DON", "event: response.completed\n",
                                       "event: response.output_text.done\ndata: {}\n\n",
                                       "data: {\"type\":\"response.output_text.delta\",\"delta\":\"[DONE]\"}\n\n",
                                       "data: {\"type\":\"", "data: {\"type\":\"response.comple\n\n", ": [DONE]\n\n"})
        EXPECT_FALSE(ended(cut)) << cut;
}

}  // namespace
}  // namespace spillway::http
