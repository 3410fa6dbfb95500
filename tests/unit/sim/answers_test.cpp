#include <gtest/gtest.h>

#include <set>

#include "../../../src/sim/answer_text.hpp"

using namespace spillway;
using namespace spillway::sim;

namespace {

struct asked {
    asked(operation op, const char* text) : body(json::parse(text)) {
        deployment.name = "dep";
        deployment.model = "gpt-4o";
        deployment.version = "2024-11-20";
        c.op = op;
        c.deployment = &deployment;
        c.body = &body;
        c.id = "1";
    }
    answer get() const { return answer_to(c); }

    deployment_options deployment;
    json body;
    call c;
};

// The data of every event that is JSON, in order.
std::vector<json> events(const answer& a) {
    std::vector<json> out;
    for (const auto& p : a.pieces) {
        const auto at = p.bytes.find("data: ") + 6;
        json j = json::parse(p.bytes.substr(at), nullptr, false);
        if (!j.is_discarded()) out.push_back(std::move(j));
    }
    return out;
}

constexpr const char* hello = R"({"messages":[{"role":"user","content":"hello"}]})";
constexpr const char* hello_stream =
    R"({"stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hello"}]})";

}  // namespace

TEST(answers, the_same_prompt_gets_the_same_words_streamed_or_not_on_any_deployment) {
    const asked plain(operation::chat, hello);
    asked streamed(operation::chat, hello_stream);
    streamed.deployment.name = "other";
    const std::string whole = json::parse(plain.get().pieces[0].bytes)["choices"][0]["message"]["content"];
    std::string joined;
    for (const auto& e : events(streamed.get()))
        for (const auto& choice : e["choices"]) joined += string_or(choice["delta"], "content", "");
    EXPECT_FALSE(whole.empty());
    EXPECT_EQ(whole, joined);
    const asked other(operation::chat, R"({"messages":[{"role":"user","content":"good bye"}]})");
    EXPECT_NE(whole, json::parse(other.get().pieces[0].bytes)["choices"][0]["message"]["content"]);
}

TEST(answers, a_chat_stream_begins_without_choices_and_ends_with_usage_and_done) {
    const answer a = asked(operation::chat, hello_stream).get();
    const auto all = events(a);
    EXPECT_TRUE(all.front()["choices"].empty());
    EXPECT_TRUE(all.front().contains("prompt_filter_results"));
    EXPECT_EQ(all[1]["choices"][0]["delta"]["role"], "assistant");
    EXPECT_TRUE(all.back()["choices"].empty());
    EXPECT_EQ(all.back()["usage"]["completion_tokens"], 20);
    EXPECT_TRUE(all[2]["usage"].is_null());
    EXPECT_EQ(a.pieces.back().bytes, "data: [DONE]\n\n");
    EXPECT_EQ(a.pieces.back().after_tokens, 20U);
}

TEST(answers, a_stream_carries_no_usage_unless_asked) {
    const answer a = asked(operation::chat, R"({"stream":true,"messages":[{"content":"hello"}]})").get();
    for (const auto& e : events(a)) EXPECT_FALSE(e.contains("usage"));
}

TEST(answers, a_limit_of_the_request_cuts_the_answer) {
    const answer a = asked(operation::chat, R"({"max_tokens":3,"messages":[{"content":"hello"}]})").get();
    const json body = json::parse(a.pieces[0].bytes);
    EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
    EXPECT_EQ(body["usage"]["completion_tokens"], 3);
    EXPECT_EQ(a.usage.total(), 5U);
}

TEST(answers, the_estimate_counts_the_prompt_and_the_longest_answer_allowed) {
    const asked a(operation::chat, R"({"max_tokens":100,"n":2,"messages":[{"role":"user","content":"12345678"}]})");
    EXPECT_EQ(estimated_tokens(a.c), 3U + 200U);
}

TEST(answers, a_responses_stream_counts_its_events_and_ends_with_usage) {
    const answer a = asked(operation::responses, R"({"stream":true,"input":"hello"})").get();
    const auto all = events(a);
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_EQ(all[i]["sequence_number"], i);
        EXPECT_EQ(a.pieces[i].bytes.find("event: " + all[i]["type"].get<std::string>() + "\n"), 0U);
    }
    EXPECT_EQ(all.front()["type"], "response.created");
    EXPECT_EQ(all.back()["type"], "response.completed");
    EXPECT_EQ(all.back()["response"]["usage"]["output_tokens"], 20);
    EXPECT_EQ(a.kept["id"], "resp_1");
    EXPECT_TRUE(asked(operation::responses, R"({"store":false,"input":"hello"})").get().kept.is_null());
}

TEST(answers, a_failure_amid_a_stream_has_the_form_of_its_family) {
    const asked chat(operation::chat, hello), response(operation::responses, R"({"input":"hello"})");
    EXPECT_EQ(failure_event(chat.c, 3, "busy", "m").find("data: {\"error\":{\"code\":\"busy\""), 0U);
    EXPECT_EQ(failure_event(response.c, 0, "busy", "m").find("event: error\n"), 0U);
    const std::string failed = failure_event(response.c, 4, "busy", "m");
    EXPECT_EQ(failed.find("event: response.failed\n"), 0U);
    EXPECT_NE(failed.find("\"sequence_number\":4"), std::string::npos);
}

TEST(answers, embeddings_come_as_numbers_or_packed_and_one_for_each_input) {
    const json two =
        json::parse(asked(operation::embeddings, R"({"input":["a","b"],"dimensions":4})").get().pieces[0].bytes);
    EXPECT_EQ(two["data"].size(), 2U);
    EXPECT_EQ(two["data"][1]["embedding"].size(), 4U);
    EXPECT_NE(two["data"][0]["embedding"], two["data"][1]["embedding"]);
    const json packed =
        json::parse(asked(operation::embeddings, R"({"input":[1,2],"dimensions":3,"encoding_format":"base64"})")
                        .get()
                        .pieces[0]
                        .bytes);
    EXPECT_EQ(packed["data"].size(), 1U);
    EXPECT_EQ(packed["data"][0]["embedding"].get<std::string>().size(), 16U);
}

TEST(answers, what_lacks_its_prompt_is_refused) {
    EXPECT_EQ(asked(operation::chat, "{}").get().status, 400);
    EXPECT_EQ(asked(operation::responses, "{}").get().status, 400);
    EXPECT_EQ(asked(operation::embeddings, "{}").get().status, 400);
}

TEST(answers, every_chunk_of_a_stream_with_usage_has_the_member_and_one_its_value) {
    const answer a = asked(operation::chat, hello_stream).get();
    const auto all = events(a);
    for (std::size_t i = 0; i < all.size(); ++i) {
        ASSERT_TRUE(all[i].contains("usage")) << i;
        EXPECT_EQ(all[i]["usage"].is_null(), i + 1 < all.size()) << i;
    }
    EXPECT_TRUE(a.pieces[a.pieces.size() - 2].tells_usage);
}

TEST(answers, an_old_version_of_the_interface_refuses_stream_options) {
    asked a(operation::chat, hello_stream);
    for (const char* old : {"2024-06-01", "2024-08-01-preview"}) {
        a.c.api_version = old;
        EXPECT_EQ(a.get().status, 400) << old;
    }
    for (const char* with_it : {"2024-09-01-preview", "2024-10-21", ""}) {
        a.c.api_version = with_it;
        EXPECT_EQ(a.get().status, 200) << with_it;
    }
}

TEST(answers, usage_varies_with_the_prompt_within_what_the_deployment_says) {
    std::set<std::uint64_t> completions, cached, reasoning;
    for (int i = 0; i < 50; ++i) {
        const std::string body =
            R"({"messages":[{"content":"a rather long prompt, number )" + std::to_string(i) + "\"}]}";
        asked a(operation::chat, body.c_str());
        a.deployment.answer_spread = 0.5;
        a.deployment.reasoning_tokens = 30;
        a.deployment.cached_share = 0.8;
        const answer got = a.get();
        const json usage = json::parse(got.pieces[0].bytes)["usage"];
        EXPECT_EQ(usage["completion_tokens"], got.usage.completion);
        EXPECT_EQ(usage["completion_tokens_details"]["reasoning_tokens"], got.usage.reasoning);
        EXPECT_EQ(usage["prompt_tokens_details"]["cached_tokens"], got.usage.cached);
        EXPECT_GE(got.usage.completion - got.usage.reasoning, 10U);
        EXPECT_LE(got.usage.completion, 50U);
        EXPECT_LE(got.usage.cached, got.usage.prompt);
        completions.insert(got.usage.completion);
        cached.insert(got.usage.cached);
        reasoning.insert(got.usage.reasoning);
    }
    EXPECT_GT(completions.size(), 10U);
    EXPECT_GT(cached.size(), 2U);
    EXPECT_GT(reasoning.size(), 10U);
}

TEST(answers, thinking_counts_against_the_limit_of_the_request) {
    asked a(operation::responses, R"({"input":"hello","max_output_tokens":5})");
    a.deployment.reasoning_tokens = 1000;
    const answer got = a.get();
    EXPECT_EQ(got.usage.completion, 5U);
    EXPECT_EQ(json::parse(got.pieces[0].bytes)["usage"]["output_tokens_details"]["reasoning_tokens"], 4);
}
