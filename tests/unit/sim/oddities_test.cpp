#include <gtest/gtest.h>

#include "../../../src/sim/answer_text.hpp"
#include "../../../src/sim/encrypted_reasoning.hpp"
#include "../../../src/sim/fault_answer.hpp"
#include "../../../src/sim/known_refusals.hpp"
#include "../../../src/sim/schema_value.hpp"
#include "../../../src/sim/tool_calls.hpp"

using namespace spillway;
using namespace spillway::sim;

namespace {

constexpr const char* weather = R"({"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer",
    "minimum":1,"maximum":3},"unit":{"enum":["C","F"]}},"required":["city","days","unit"]})";

struct asked {
    asked(operation op, const std::string& text) : body(json::parse(text)) {
        deployment.name = deployment.model = "d";
        c.op = op;
        c.deployment = &deployment;
        c.body = &body;
        c.id = "1";
        c.seal = "a";
    }
    answer get() const { return answer_to(c); }
    json plain() const { return json::parse(get().pieces[0].bytes); }

    deployment_options deployment;
    json body;
    call c;
};

std::string chat_with_tool(const std::string& more) {
    return std::string(R"({"tools":[{"type":"function","function":{"name":"weather","parameters":)") + weather +
           R"(}}],"messages":[{"role":"user","content":"rain?"})" + more;
}

std::string response_with_tool(const std::string& more) {
    return std::string(R"({"tools":[{"type":"function","name":"weather","parameters":)") + weather +
           R"(}],"input":[{"role":"user","content":"rain?"})" + more;
}

std::vector<json> events(const answer& a) {
    std::vector<json> out;
    for (const auto& p : a.pieces) {
        json j = json::parse(p.bytes.substr(p.bytes.find("data: ") + 6), nullptr, false);
        if (!j.is_discarded()) out.push_back(std::move(j));
    }
    return out;
}

}  // namespace

TEST(schema_value, gives_what_the_schema_asks_for) {
    const json v = value_for(json::parse(weather), 7);
    EXPECT_TRUE(v["city"].is_string());
    EXPECT_GE(v["days"].get<int>(), 1);
    EXPECT_LE(v["days"].get<int>(), 3);
    EXPECT_TRUE(v["unit"] == "C" || v["unit"] == "F");
    EXPECT_EQ(v, value_for(json::parse(weather), 7));
}

TEST(schema_value, follows_references_and_ends_when_a_schema_refers_to_itself) {
    const json schema = json::parse(R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":
        {"name":{"type":"string"},"next":{"$ref":"#/$defs/node"}},"required":["name","next"]}}})");
    EXPECT_TRUE(value_for(schema, 1)["next"]["name"].is_string());
    EXPECT_TRUE(value_for(json::parse(R"({"$ref":"#/nothing"})"), 1).is_null());
}

TEST(tool_calls, chat_calls_the_function_and_answers_after_its_result) {
    const json first = asked(operation::chat, chat_with_tool("]}")).plain()["choices"][0];
    EXPECT_EQ(first["finish_reason"], "tool_calls");
    const json& call = first["message"]["tool_calls"][0];
    EXPECT_EQ(call["function"]["name"], "weather");
    EXPECT_TRUE(json::parse(call["function"]["arguments"].get<std::string>()).contains("city"));
    const json second =
        asked(operation::chat, chat_with_tool(R"(,{"role":"tool","tool_call_id":"call_1","content":"no"}]})"))
            .plain();
    EXPECT_EQ(second["choices"][0]["finish_reason"], "stop");
    EXPECT_TRUE(second["choices"][0]["message"]["content"].is_string());
    EXPECT_EQ(
        asked(operation::chat, chat_with_tool(R"(],"tool_choice":"none"})")).plain()["choices"][0]["finish_reason"],
        "stop");
}

TEST(tool_calls, a_streamed_call_says_the_same_in_pieces) {
    const asked streamed(operation::chat, chat_with_tool(R"(],"stream":true})"));
    std::string name, arguments, finish;
    for (const auto& e : events(streamed.get()))
        for (const auto& choice : e["choices"]) {
            if (choice["finish_reason"].is_string()) finish = choice["finish_reason"];
            const json* calls = find(choice["delta"], "tool_calls");
            if (calls == nullptr) continue;
            EXPECT_EQ((*calls)[0]["index"], 0);
            name += string_or((*calls)[0]["function"], "name", "");
            arguments += string_or((*calls)[0]["function"], "arguments", "");
        }
    EXPECT_EQ(name, "weather");
    EXPECT_EQ(finish, "tool_calls");
    EXPECT_EQ(json::parse(arguments), value_for(json::parse(weather), prompt_hash(streamed.body)));
}

TEST(tool_calls, responses_call_with_an_item_of_their_own) {
    const json out = asked(operation::responses, response_with_tool("]}")).plain()["output"];
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0]["type"], "function_call");
    EXPECT_EQ(out[0]["name"], "weather");
    const json after =
        asked(operation::responses,
              response_with_tool(R"(,{"type":"function_call_output","call_id":"call_1","output":"no"}]})"))
            .plain()["output"];
    EXPECT_EQ(after[0]["type"], "message");
}

TEST(structured_outputs, the_text_is_a_document_of_the_schema_streamed_or_not) {
    const std::string chat =
        std::string(R"({"messages":[{"role":"user","content":"x"}],"response_format":{"type":)") +
        R"("json_schema","json_schema":{"name":"w","schema":)" + weather + "}}";
    const std::string whole = asked(operation::chat, chat + "}").plain()["choices"][0]["message"]["content"];
    EXPECT_TRUE(json::parse(whole).contains("unit"));
    std::string joined;
    for (const auto& e : events(asked(operation::chat, chat + R"(,"stream":true})").get()))
        for (const auto& choice : e["choices"]) joined += string_or(choice["delta"], "content", "");
    EXPECT_EQ(joined, whole);
    const json response = asked(operation::responses, std::string(R"({"input":"x","text":{"format":{"type":)") +
                                                          R"("json_schema","name":"w","schema":)" + weather + "}}}")
                              .plain();
    EXPECT_TRUE(json::parse(response["output"][0]["content"][0]["text"].get<std::string>()).contains("days"));
}

TEST(encrypted_reasoning, belongs_to_the_instance_that_made_it) {
    const std::string sealed = sealed_reasoning("a", "1");
    EXPECT_TRUE(opens_reasoning("a", sealed));
    EXPECT_FALSE(opens_reasoning("b", sealed));
    EXPECT_FALSE(opens_reasoning("a", "gAAA"));
    asked one(operation::responses, R"({"input":"x","include":["reasoning.encrypted_content"],"store":false})");
    one.deployment.reasoning_tokens = 30;
    const json item = one.plain()["output"][0];
    EXPECT_EQ(item["type"], "reasoning");
    EXPECT_TRUE(opens_reasoning("a", item["encrypted_content"].get<std::string>()));
}

TEST(known_refusals, each_is_a_rule_that_answers) {
    problems out;
    const answer a = answer_of(read_fault(json::parse(R"({"fault":"status","like":"firewall"})"), {}, out));
    EXPECT_TRUE(out.found.empty());
    EXPECT_EQ(a.status, 403);
    EXPECT_EQ(json::parse(a.pieces[0].bytes)["error"]["code"], "AccessDenied");
    EXPECT_EQ(answer_of(read_fault(json::parse(R"({"fault":"status","like":"edge_520"})"), {}, out)).content_type,
              "text/plain");
    read_fault(json::parse(R"({"fault":"status","like":"weather"})"), {}, out);
    EXPECT_EQ(out.found.size(), 1U);
}
