#include "instance_fixture.hpp"

namespace spillway::sim::family_assistants_test {

const json tools =
    json::parse(R"([{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}])");

class family_assistants : public instance_test::living_instance {
protected:
    std::string assistant(const json& with_tools = json::array()) {
        return post("assistants", {{"model", "chat"}, {"name", "helper"}, {"tools", with_tools}}).id();
    }
    std::string thread() {
        return post("threads", {{"messages", json::array({{{"role", "user"}, {"content", "hello"}}})}}).id();
    }
};

TEST_F(family_assistants, assistants_and_threads_are_made_changed_and_deleted) {
    const std::string made = assistant(), path = "/openai/assistants/" + made + "?api-version=2024-05-01-preview";
    EXPECT_EQ(get(path).body["name"], "helper");
    EXPECT_EQ(post(path, {{"name", "other"}, {"id", "x"}}).body["name"], "other");
    EXPECT_EQ(ids(get("assistants")), std::vector{made});
    EXPECT_EQ(remove(path).body["object"], "assistant.deleted");
    EXPECT_EQ(get(path).status, 404);
    EXPECT_EQ(post("assistants", {{"model", "none"}}).status, 400);
    const std::string t = "threads/" + thread();
    const auto message = post(t + "/messages", {{"role", "user"}, {"content", "more"}});
    EXPECT_EQ(message.body["content"][0]["text"]["value"], "more");
    EXPECT_EQ(get(t + "/messages").body["data"].size(), 2U);
    EXPECT_EQ(remove(t + "/messages/" + message.id()).body["object"], "thread.message.deleted");
    EXPECT_EQ(post(t, {{"metadata", {{"a", "b"}}}}).body["metadata"]["a"], "b");
    EXPECT_EQ(remove(t).body["deleted"], true);
    EXPECT_EQ(get(t + "/messages").status, 404);
}

TEST_F(family_assistants, a_run_answers_with_a_message) {
    const std::string t = "threads/" + thread();
    const auto run = post(t + "/runs", {{"assistant_id", assistant()}});
    EXPECT_EQ(run.body["status"], "queued");
    EXPECT_EQ(post(t + "/runs", {{"assistant_id", assistant()}}).status, 400);
    now += seconds(1);
    EXPECT_EQ(get(t + "/runs/" + run.id()).body["status"], "in_progress");
    EXPECT_EQ(get(t + "/messages").body["data"].size(), 1U);
    later();
    const json done = get(t + "/runs/" + run.id()).body;
    EXPECT_EQ(done["status"], "completed");
    EXPECT_GT(done["usage"]["total_tokens"], 0);
    const json last = get(t + "/messages").body["data"][0];
    EXPECT_EQ(last["role"], "assistant");
    EXPECT_EQ(last["run_id"], run.id());
    const auto steps = get(t + "/runs/" + run.id() + "/steps");
    ASSERT_EQ(steps.body["data"].size(), 1U);
    EXPECT_EQ(steps.body["data"][0]["step_details"]["message_creation"]["message_id"], last["id"]);
    const std::string one = t + "/runs/" + run.id() + "/steps/" + ids(steps)[0];
    EXPECT_EQ(get(one).body["status"], "completed");
    EXPECT_EQ(post(t + "/runs/" + run.id() + "/cancel").status, 400);
}

TEST_F(family_assistants, a_run_with_tools_waits_for_what_they_give) {
    const json wanted{{"assistant_id", assistant(tools)},
                      {"thread", {{"messages", json::array({{{"role", "user"}, {"content", "x"}}})}}}};
    const auto run = post("threads/runs", wanted);
    const std::string path = "threads/" + run.body["thread_id"].get<std::string>() + "/runs/" + run.id();
    EXPECT_EQ(post(path + "/submit_tool_outputs", {{"tool_outputs", json::array()}}).status, 400);
    later();
    const json waiting = get(path).body;
    ASSERT_EQ(waiting["status"], "requires_action");
    const json calls = waiting["required_action"]["submit_tool_outputs"]["tool_calls"];
    EXPECT_EQ(calls[0]["function"]["name"], "f");
    EXPECT_EQ(post(path + "/submit_tool_outputs", {{"tool_outputs", json::array()}}).status, 400);
    const json outputs = json::array({{{"tool_call_id", calls[0]["id"]}, {"output", "1"}}});
    EXPECT_EQ(post(path + "/submit_tool_outputs", {{"tool_outputs", outputs}}).body["status"], "queued");
    later();
    EXPECT_EQ(get(path).body["status"], "completed");
    EXPECT_EQ(get(path + "/steps").body["data"].size(), 2U);
}

TEST_F(family_assistants, a_streamed_run_tells_all_that_happens) {
    const json wanted{{"assistant_id", assistant()}, {"stream", true}};
    const auto run = post("threads/runs", wanted);
    const std::string first = run.whole.pieces.front().bytes, last = run.whole.pieces.back().bytes;
    EXPECT_TRUE(first.starts_with("event: thread.created\n"));
    EXPECT_EQ(last, "event: done\ndata: [DONE]\n\n");
    for (const char* name : {"thread.run.created", "thread.run.step.created", "thread.message.delta",
                             "thread.message.completed", "thread.run.step.completed", "thread.run.completed"})
        EXPECT_NE(run.text.find(std::string("event: ") + name + "\n"), std::string::npos) << name;
    const auto all = events(run);
    EXPECT_GT(all[all.size() - 2]["usage"]["total_tokens"], 0);
    const std::string t = "threads/" + all[0]["id"].get<std::string>();
    EXPECT_EQ(get(t + "/messages").body["data"].size(), 1U);
    EXPECT_EQ(get(t + "/runs").body["data"][0]["status"], "completed");
    const auto calling = post(t + "/runs", {{"assistant_id", assistant(tools)}, {"stream", true}});
    EXPECT_NE(calling.text.find("event: thread.run.requires_action\n"), std::string::npos);
}

TEST_F(family_assistants, a_cancelled_run_says_nothing) {
    const std::string t = "threads/" + thread();
    const auto run = post(t + "/runs", {{"assistant_id", assistant()}});
    now += seconds(1);
    EXPECT_EQ(post(t + "/runs/" + run.id() + "/cancel").body["status"], "cancelling");
    later();
    EXPECT_EQ(get(t + "/runs/" + run.id()).body["status"], "cancelled");
    EXPECT_EQ(post(t + "/messages", {{"role", 5}, {"content", 7}}).status, 200);
    EXPECT_EQ(post("threads", {{"messages", json::array({7})}}).status, 400);
}

}  // namespace spillway::sim::family_assistants_test
