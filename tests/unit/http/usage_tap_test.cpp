#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <spillway/http/sse.hpp>

namespace spillway::http {
namespace usage_tap_test {

struct seen {
    std::string usage, model, text;
    bool operator==(const seen&) const = default;
};
void PrintTo(const seen& s, std::ostream* os) { *os << "{" << s.usage << " | " << s.model << " | " << s.text << "}"; }

// What a stream shows, cut at the given places.
seen stream(std::string_view all, std::vector<std::size_t> cuts = {}, std::size_t limit = 1 << 20) {
    seen out;
    const auto s = std::make_unique<sse_scanner>();
    s->want_text(&out.text, limit);
    std::size_t from = 0;
    for (const auto c : cuts) {
        s->feed(all.substr(from, c - from));
        from = c;
    }
    s->feed(all.substr(from));
    out.usage = s->usage().json();
    out.model = s->usage().model();
    return out;
}

std::string event(std::string_view json, std::string_view name = {}) {
    std::string out;
    if (!name.empty()) out.append("event: ").append(name).append("\n");
    return out.append("data: ").append(json).append("\n\n");
}

const std::string chat =
    event(
        R"({"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,)"
        R"("content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"jailbreak":{"detected":false}}}]})") +
    event(R"({"choices":[{"delta":{"content":"","refusal":null,"role":"assistant"},"finish_reason":null,"index":0}],)"
          R"("created":1,"id":"c","model":"gpt-4o-2024-08-06","object":"chat.completion.chunk","usage":null})") +
    event(R"({"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"delta":{"content":)"
          R"("Say \"usage\": {\"a\":1}\\"},"logprobs":{"content":[{"token":"Say","top_logprobs":[]}]},"index":0}],)"
          R"("model":"gpt-4o-2024-08-06","usage":null})") +
    event(R"({"choices":[{"delta":{"content":" \ud83d\ude00 ü"},"index":0}],"model":"gpt-4o-2024-08-06"})") +
    event(R"({"choices":[{"delta":{"context":{"citations":[{"content":"a whole book"}]}},"index":0}]})") +
    event(R"({"choices":[{"delta":{"tool_calls":[{"index":0,"type":"function","function":{"name":"f","arguments":)"
          R"("{\"x\":"}}]}}]})") +
    event(R"({"choices":[{"delta":{"reasoning_content":"hm","refusal":"no"}}]})") +
    event(
        R"({"choices":[],"model":"gpt-4o-2024-08-06","usage":{"completion_tokens":9,"d":{"s":"}"},"prompt_tokens":1}})") +
    "data: [DONE]\n\n";
const seen of_chat{R"({"completion_tokens":9,"d":{"s":"}"},"prompt_tokens":1})", "gpt-4o-2024-08-06",
                   R"(Say \"usage\": {\"a\":1}\\ \ud83d\ude00 ü{\"x\":hmno)"};

const std::string responses =
    event(
        R"({"type":"response.created","sequence_number":0,"response":{"id":"r","tools":[{"type":"x","model":"deep"}],)"
        R"("model":"gpt-5","usage":null}})",
        "response.created") +
    event(R"({"type":"response.output_text.delta","delta":"Hel","logprobs":[],"item":{"text":"no"}})",
          "response.output_text.delta") +
    event(R"({"type":"response.output_text.delta","delta":"lo"})") +  // without its name
    event(R"({"type":"response.audio.delta","delta":"AAAA"})", "response.audio.delta") +
    event(R"({"type":"response.output_text.done","text":"Hello"})", "response.output_text.done") +
    event(R"({"type":"response.content_part.done","part":{"type":"output_text","text":"Hello"}})") +
    event(R"({"sequence_number":9,"response":{"model":"gpt-5","output":[{"content":[{"text":"Hello"}],)"
          R"("arguments":"Hello"}],"usage":{"input_tokens":3}},"type":"response.completed"})",
          "response.completed");
const seen of_responses{R"({"input_tokens":3})", "gpt-5", "Hello"};

const std::string assistants =
    event(R"({"id":"m","object":"thread.message.delta","delta":{"content":[{"index":0,"type":"text","text":)"
          R"({"value":"Hi","annotations":[]}}]}})",
          "thread.message.delta") +
    event(R"({"content":[{"type":"text","text":{"value":"Hi"}}]})", "thread.message.completed") +
    event(R"({"id":"run","model":"gpt-4o","usage":{"prompt_tokens":2}})", "thread.run.completed");
const seen of_assistants{R"({"prompt_tokens":2})", "gpt-4o", "Hi"};

TEST(usage_tap, sees_usage_model_and_text_of_each_family_once_however_the_bytes_are_cut) {
    for (const auto& [all, expected] :
         {std::tie(chat, of_chat), std::tie(responses, of_responses), std::tie(assistants, of_assistants)}) {
        ASSERT_EQ(stream(all), expected);
        for (std::size_t i = 0; i <= all.size(); ++i) {
            ASSERT_EQ(stream(all, {i}), expected) << "cut at " << i;
            ASSERT_EQ(stream(all, {i, std::min(i + 1, all.size())}), expected) << "one byte alone at " << i;
        }
        for (std::size_t step = 1; step < 200; ++step) {
            std::vector<std::size_t> cuts;
            for (std::size_t i = step; i < all.size(); i += step) cuts.push_back(i);
            ASSERT_EQ(stream(all, cuts), expected) << "steps of " << step;
        }
    }
}

TEST(usage_tap, keeps_the_first_model_that_is_not_empty_and_not_too_long) {
    const auto model = [](std::string_view json) {
        usage_tap t;
        t.feed(json);
        return std::string(t.model());
    };
    EXPECT_EQ(model(R"({"model":"","model":"a"})"), "a");
    EXPECT_EQ(model(R"({"model":"a","model":"b"})"), "a");
    EXPECT_EQ(model(R"({"model" : "a b","x":[{"model":"c"}],"tool":{"model":"d"}})"), "a b");
    EXPECT_EQ(model(R"({"model":null})"), "");
    EXPECT_EQ(model(R"({"id":"model","response":{"x":{"model":"c"},"model":"e"}})"), "e");
    EXPECT_EQ(model("{\"model\":\"" + std::string(64, 'm') + "\"}"), std::string(64, 'm'));
    EXPECT_EQ(model("{\"model\":\"" + std::string(65, 'm') + "\"}"), "");
}

TEST(usage_tap, text_is_bounded_and_its_length_known) {
    std::string sink = "prompt";
    usage_tap t;
    t.want_text(&sink, 10);
    t.feed(R"({"choices":[{"text":"abc"},{"text":"defgh"}]})");
    EXPECT_EQ(sink, "promptabcd");
    EXPECT_EQ(t.text_bytes(), 8U);
    t.reset();
    t.feed(R"({"choices":[{"text":"abc"}]})");
    EXPECT_EQ(sink, "promptabcd") << "nobody wants it any more";
    EXPECT_EQ(t.text_bytes(), 0U);
}

TEST(usage_tap, what_a_client_has_made_up_is_no_usage) {
    const std::string tools = R"("tools":[{"parameters":{"usage":{"input_tokens":0}}}])";
    EXPECT_EQ(stream(event(R"({"response":{)" + tools + R"(,"model":"m"}})")), (seen{"", "m", ""}));
    EXPECT_EQ(stream(event(R"({"response":{"usage":{"input_tokens":7},)" + tools + "}}")),
              (seen{R"({"input_tokens":7})", "", ""}));
}

TEST(usage_tap, begins_anew_after_a_line_that_breaks_off) {
    EXPECT_EQ(stream("data: {\"a\":\"\\\n\n" + chat), of_chat);
    EXPECT_EQ(stream("data: {\"usage\"\n\ndata: :{\"a\":1}}\n\n"), (seen{}));
    EXPECT_EQ(stream("data: {\"usage\"\ndata: :{\"a\":1}}\n\n"), (seen{"{\"a\":1}", "", ""}));
    EXPECT_EQ(stream("data: [[[[{\"usage\"\n\n" + responses), of_responses);
}

TEST(usage_tap, a_string_of_a_megabyte_hides_nothing_behind_it) {
    std::string big = "{\"b64\":\"";
    big.append(1 << 20, 'x').append("\",\"model\":\"m\",\"usage\":{\"total_tokens\":9}}");
    EXPECT_EQ(stream(event(big), {100, 5000, 70000}), (seen{"{\"total_tokens\":9}", "m", ""}));
}

}  // namespace usage_tap_test
}  // namespace spillway::http
