#include "../../../src/sim/encrypted_reasoning.hpp"
#include "instance_fixture.hpp"

namespace spillway::sim::input_items_test {

class input_items : public instance_test::living_instance {
protected:
    int status(const std::string& members) {
        json body = json::parse(members);
        body["model"] = "chat";
        return post("responses", body).status;
    }
};

TEST_F(input_items, what_the_instance_does_not_have_is_refused) {
    const json made = post("responses", {{"model", "chat"}, {"input", "hi"}}).body;
    const std::string item = made["output"][0]["id"];
    EXPECT_EQ(status(R"({"input":[{"type":"item_reference","id":")" + item + R"("}]})"), 200);
    EXPECT_EQ(status(R"({"input":[{"id":")" + item + R"("}]})"), 200);
    EXPECT_EQ(status(R"({"input":[{"type":"item_reference","id":"msg_x"}]})"), 404);
    EXPECT_EQ(status(R"({"input":[{"id":"msg_x"}]})"), 404);
    EXPECT_EQ(status(R"({"input":[{"type":"reasoning","id":"rs_x","summary":[]}]})"), 404);
    EXPECT_EQ(status(R"({"input":[{"type":"message","id":"msg_x","role":"user","content":"x"}]})"), 200);
    EXPECT_EQ(status(R"({"conversation":{"id":"conv_x"},"input":"x"})"), 404);
    EXPECT_EQ(status(R"({"previous_response_id":"resp_x","input":"x"})"), 400);
    EXPECT_EQ(status(R"({"prompt":{"id":"pmpt_1"}})"), 200);
    EXPECT_EQ(status(R"({"prompt":{"id":"pmpt_2"}})"), 404);
    EXPECT_EQ(status(R"({"input":"x","background":true,"store":false})"), 400);
}

TEST_F(input_items, reasoning_that_another_key_has_sealed_is_refused) {
    const auto sealed = [](const char* key) {
        return R"({"input":[{"type":"reasoning","id":"rs_1","encrypted_content":")" + sealed_reasoning(key, "1") +
               R"("}]})";
    };
    EXPECT_EQ(status(sealed("a")), 200);
    EXPECT_EQ(status(sealed("b")), 400);
}

TEST_F(input_items, a_result_needs_the_call_that_it_belongs_to) {
    const std::string result = R"({"type":"function_call_output","call_id":"call_1","output":"x"})";
    const std::string calling = R"({"type":"function_call","call_id":"call_1","name":"f","arguments":"{}"})";
    EXPECT_EQ(status(R"({"input":[)" + result + "]}"), 400);
    EXPECT_EQ(status(R"({"input":[)" + calling + "," + result + "]}"), 200);
    const json tool =
        json::parse(R"([{"type":"function","name":"f","parameters":{"type":"object","properties":{}}}])");
    const json first = post("responses", {{"model", "chat"}, {"input", "hi"}, {"tools", tool}}).body;
    ASSERT_EQ(first["output"][0]["type"], "function_call");
    const json answer{{"type", "function_call_output"}, {"call_id", first["output"][0]["call_id"]}, {"output", "x"}};
    EXPECT_EQ(post("responses",
                   {{"model", "chat"}, {"previous_response_id", first["id"]}, {"input", json::array({answer})}})
                  .status,
              200);
}

}  // namespace spillway::sim::input_items_test
