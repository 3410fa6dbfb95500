#include <string>

#include <gtest/gtest.h>

#include <spillway/tokens/estimator.hpp>

using namespace spillway::tokens;

namespace {

constexpr auto e = encoding::o200k;
std::size_t words(std::string_view s) { return count(s, e); }
std::size_t prompt(std::string_view body) { return count_prompt(body, e); }

}  // namespace

TEST(prompt, chat_counts_messages_roles_names_and_the_answers_beginning) {
    EXPECT_EQ(prompt(R"({"messages":[{"role":"user","content":"Hello there"}]})"), 3 + 1 + words("Hello there") + 3);
    EXPECT_EQ(
        prompt(
            R"({"messages":[{"role":"system","content":"Be kind."},{"role":"user","name":"ada","content":"Hi"}]})"),
        3 + 1 + words("Be kind.") + 3 + 1 + words("Hi") + 1 + words("ada") + 3);
    EXPECT_EQ(prompt(R"({"messages":[]})"), 3U);
    EXPECT_EQ(prompt(R"({"messages":[{"role":"assistant","content":null,"refusal":"No."}]})"),
              3 + 1 + words("No.") + 3);
    EXPECT_EQ(prompt(R"({"messages":[{"role":"user","content":"caf\u00e9\n"}]})"), 3 + 1 + words("café\n") + 3);
}

// The example of OpenAI's cookbook, with the figure that the service answered for both encodings' models.
TEST(prompt, the_published_example_is_met) {
    const auto* body = R"({"messages":[
        {"role":"system","content":"You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
        {"role":"system","name":"example_user","content":"New synergies will help drive top-line growth."},
        {"role":"system","name":"example_assistant","content":"Things working well together will increase revenue."},
        {"role":"system","name":"example_user","content":"Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."},
        {"role":"system","name":"example_assistant","content":"Let's talk later when we're less busy about how to do better."},
        {"role":"user","content":"This late pivot means we don't have time to boil the ocean for the client deliverable."}]})";
    EXPECT_EQ(count_prompt(body, encoding::cl100k), 129U);
    EXPECT_EQ(count_prompt(body, encoding::o200k), 124U);
}

TEST(prompt, parts_are_counted_by_their_kind) {
    const auto with = [](std::string_view part) {
        return prompt(R"({"messages":[{"role":"user","content":[)" + std::string(part) + "]}]}") - 7;
    };
    EXPECT_EQ(with(R"({"type":"text","text":"Hello there"})"), words("Hello there"));
    EXPECT_EQ(with(R"({"type":"text","text":"a"},{"text":"b","type":"text"},"c")"), 3U);
    EXPECT_EQ(with(R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}})"), 85U);
    EXPECT_EQ(with(R"({"image_url":{"detail":"high","url":"https://x"},"type":"image_url"})"), 765U);
    EXPECT_EQ(with(R"({"type":"image_url","image_url":{"url":"https://x"}})"), 765U);
    EXPECT_EQ(with(R"({"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}})"), 300U);
    EXPECT_EQ(with(R"({"type":"file","file":{"file_data":"AAAA"}})"), 765U);
    EXPECT_EQ(with(R"({"type":"refusal","refusal":"No"})"), 1U);
    EXPECT_EQ(with(R"({"odd": 1})"), words(R"({"odd":1})"));
    EXPECT_EQ(with("[]"), words("[]"));
}

TEST(prompt, tools_and_their_calls_are_counted) {
    const auto bare = prompt(R"({"messages":[{"role":"user","content":"Hi"}]})");
    EXPECT_EQ(prompt(R"({"tools":[ {"type" : "function"} ],"messages":[{"role":"user","content":"Hi"}]})"),
              bare + words(R"([{"type":"function"}])"));
    EXPECT_EQ(prompt(R"({"messages":[{"role":"assistant","tool_calls":[
                  {"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Bonn\"}"}},3]}]})"),
              3 + 1 + words("weather") + words(R"({"city":"Bonn"})") + 3);
    EXPECT_EQ(prompt(R"({"messages":[{"role":"tool","tool_call_id":"call_1","content":"sunny"}]})"),
              3 + 1 + words("sunny") + 3);
    EXPECT_EQ(prompt(R"({"messages":[{"role":"assistant","function_call":{"name":"f","arguments":"{}"}}]})"),
              3 + 1 + words("f") + words("{}") + 3);
    EXPECT_EQ(prompt(R"({"messages":[],"response_format":{"type":"json_schema","json_schema":{"name": "x"}}})"),
              words(R"({"name":"x"})") + 3);
}

TEST(prompt, completions_and_embeddings_take_text_and_token_ids) {
    EXPECT_EQ(prompt(R"({"prompt":"Once upon a time"})"), words("Once upon a time"));
    EXPECT_EQ(prompt(R"({"prompt":["one","two three"]})"), words("one") + words("two three"));
    EXPECT_EQ(prompt(R"({"prompt":[1,2,3]})"), 3U);
    EXPECT_EQ(prompt(R"({"prompt":[[1,2],[3], [ ]]})"), 3U);
    EXPECT_EQ(prompt(R"({"input":"Once upon a time"})"), words("Once upon a time"));
    EXPECT_EQ(prompt(R"({"input":["one","two, three"],"dimensions":3})"), words("one") + words("two, three"));
    EXPECT_EQ(prompt(R"({"input":[[15, 496],[2]]})"), 3U);
    EXPECT_EQ(prompt(R"({"input":[15,496]})"), 2U);
}

TEST(prompt, responses_are_a_dialogue) {
    EXPECT_EQ(prompt(R"({"input":"Hi","stream":true})"), 3 + 1 + 1 + 3U);
    EXPECT_EQ(prompt(R"({"instructions":"Be kind.","input":"Hi"})"), 3 + 1 + words("Be kind.") + 3 + 1 + 1 + 3);
    EXPECT_EQ(prompt(R"({"input":[{"role":"user","content":[{"type":"input_text","text":"Hi"},
                  {"type":"input_image","image_url":"data:","detail":"low"},{"type":"input_file","file_id":"f"}]},
                  {"type":"function_call","call_id":"c","name":"f","arguments":"{}"},
                  {"type":"function_call_output","call_id":"c","output":"sunny"},
                  {"type":"reasoning","summary":[{"type":"summary_text","text":"Hm"}]}]})"),
              3 + 1 + 1 + 85 + 765 + 3 + 1 + 1 + words("{}") + 3 + words("sunny") + 3 + words("Hm") + 3);
    EXPECT_EQ(
        prompt(
            R"({"input":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Yes"}]}]})"),
        3 + 1 + 1 + 3U);
}

TEST(prompt, anything_unexpected_counts_by_its_text) {
    for (const std::string body : {"", "x", "[1,2]", "{", "{\"messages\":[", "\xff\xfe", "{}", R"({"model":"x"})",
                                   R"({"messages":[],"messages":[]})", "\xEF\xBB\xBF{}"})
        EXPECT_EQ(prompt(body), words(body)) << body;
    EXPECT_EQ(prompt(R"({"messages":"Hello there"})"), words("Hello there"));
    EXPECT_EQ(prompt(R"({"messages":[1,"two",[3]]})"), words("1") + words("two") + words("[3]") + 3);
    EXPECT_EQ(prompt(R"({"messages":[{"role":7,"content":{"a":[1]}}]})"), 3 + 1 + words(R"({"a":[1]})") + 3);
    EXPECT_EQ(prompt(R"({"prompt":{"id":"x"}})"), words(R"({"id":"x"})"));
    EXPECT_EQ(prompt(R"({"prompt":[[["x"]]]})"), words(R"(["x"])"));
    EXPECT_EQ(prompt(R"({"prompt":true})"), words("true"));
}

TEST(prompt, nesting_is_bounded) {
    for (const std::string open : {"[", "{\"content\":", "{\"messages\":[{\"content\":["}) {
        std::string body = R"({"messages":[)";
        for (int i = 0; i < 100'000; ++i) body += open;
        EXPECT_EQ(prompt(body), words(body));
    }
    std::string whole(400, '[');
    whole += std::string(400, ']');
    EXPECT_GT(prompt(R"({"input":)" + whole + "}"), 10U);
}
