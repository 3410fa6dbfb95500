#include "instance_fixture.hpp"

namespace spillway::sim::family_responses_test {

class family_responses : public instance_test::living_instance {};

TEST_F(family_responses, one_is_found_listed_and_deleted_by_its_id) {
    const auto made = post("responses", {{"model", "chat"}, {"input", "hi"}, {"store", true}});
    EXPECT_EQ(get("responses/" + made.id()).body, made.body);
    EXPECT_EQ(get("/openai/responses/" + made.id() + "?api-version=2025-03-01-preview").status, 200);
    const auto items = get("responses/" + made.id() + "/input_items");
    ASSERT_EQ(items.body["data"].size(), 1U);
    EXPECT_EQ(items.body["data"][0]["content"][0]["text"], "hi");
    EXPECT_EQ(remove("responses/" + made.id()).body["deleted"], true);
    EXPECT_EQ(get("responses/" + made.id()).status, 404);
}

TEST_F(family_responses, another_instance_and_one_that_does_not_store_know_nothing_of_it) {
    const auto made = post("responses", {{"model", "chat"}, {"input", "hi"}});
    instance other(living_instance::made("b"));
    EXPECT_EQ(ask(other, "GET", "responses/" + made.id(), "").status, 404);
    const auto passing = post("responses", {{"model", "chat"}, {"input", "ho"}, {"store", false}});
    EXPECT_EQ(get("responses/" + passing.id()).status, 404);
}

TEST_F(family_responses, context_counts_as_input) {
    const auto first = post("responses", {{"model", "chat"}, {"input", "hi"}});
    const auto second =
        post("responses", {{"model", "chat"}, {"input", "hi"}, {"previous_response_id", first.body["id"]}});
    EXPECT_EQ(second.body["usage"]["input_tokens"].get<int>(),
              first.body["usage"]["total_tokens"].get<int>() + first.body["usage"]["input_tokens"].get<int>());
    EXPECT_EQ(second.body["previous_response_id"], first.id());
}

TEST_F(family_responses, in_the_background_it_is_queued_and_then_there) {
    const auto made = post("responses", {{"model", "chat"}, {"input", "hi"}, {"background", true}});
    EXPECT_EQ(made.body["status"], "queued");
    EXPECT_TRUE(made.body["output"].empty());
    now += seconds(1);
    EXPECT_EQ(get("responses/" + made.id()).body["status"], "in_progress");
    later();
    const json done = get("responses/" + made.id()).body;
    EXPECT_EQ(done["status"], "completed");
    EXPECT_EQ(done["output"].size(), 1U);
    EXPECT_GT(done["usage"]["total_tokens"], 0);
}

TEST_F(family_responses, only_one_in_the_background_can_be_cancelled) {
    const auto made = post("responses", {{"model", "chat"}, {"input", "hi"}, {"background", true}});
    EXPECT_EQ(post("responses/" + made.id() + "/cancel").body["status"], "cancelled");
    later();
    EXPECT_EQ(post("responses/" + made.id() + "/cancel").body["status"], "cancelled");
    const auto other = post("responses", {{"model", "chat"}, {"input", "hi"}});
    EXPECT_EQ(post("responses/" + other.id() + "/cancel").status, 400);
}

TEST_F(family_responses, a_stream_can_be_taken_up_after_any_event) {
    const auto made = post("responses", {{"model", "chat"}, {"input", "x"}, {"background", true}, {"stream", true}});
    const auto all = events(made);
    EXPECT_EQ(all[1]["type"], "response.queued");
    const std::string path = "responses/" + all[0]["response"]["id"].get<std::string>() + "?stream=true";
    EXPECT_EQ(events(get(path)), all);
    const auto rest = events(get(path + "&starting_after=3"));
    EXPECT_EQ(rest.size(), all.size() - 4);
    EXPECT_EQ(rest[0]["sequence_number"], 4);
    EXPECT_EQ(get(path + "&starting_after=x").status, 400);
}

TEST_F(family_responses, compacting_seals_what_was_said) {
    const auto made = post("responses", {{"model", "chat"}, {"input", "hi"}});
    const auto small = post("responses/compact", {{"model", "chat"}, {"previous_response_id", made.body["id"]}});
    ASSERT_EQ(small.body["output"].size(), 2U);
    EXPECT_EQ(small.body["output"][1]["type"], "compaction");
    EXPECT_EQ(post("responses", {{"model", "chat"}, {"input", small.body["output"]}}).status, 200);
    instance other(living_instance::made("b"));
    const json again{{"model", "chat"}, {"input", small.body["output"]}};
    EXPECT_EQ(ask(other, "POST", "responses", to_text(again)).code(), "invalid_encrypted_content");
    EXPECT_EQ(post("responses/input_tokens", {{"model", "chat"}, {"input", "12345678"}}).body["input_tokens"], 2);
    EXPECT_EQ(post("responses/compact", {{"model", "none"}}).code(), "DeploymentNotFound");
}

TEST_F(family_responses, a_conversation_gathers_what_is_said_in_it) {
    const json hello = json::parse(R"([{"type":"message","role":"user","content":"hello"}])");
    const auto made = post("conversations", {{"items", hello}, {"metadata", {{"a", "1"}}}});
    const std::string path = "conversations/" + made.id();
    EXPECT_EQ(get(path).body["metadata"]["a"], "1");
    const auto answered =
        post("responses", {{"model", "chat"}, {"input", "again"}, {"conversation", made.body["id"]}});
    EXPECT_EQ(answered.body["conversation"]["id"], made.id());
    const auto items = get(path + "/items?order=asc");
    ASSERT_EQ(items.body["data"].size(), 3U);
    EXPECT_EQ(items.body["data"][2]["role"], "assistant");
    const auto added = post(path + "/items", {{"items", hello}});
    EXPECT_EQ(added.body["data"].size(), 1U);
    const std::string one = path + "/items/" + added.body["first_id"].get<std::string>();
    EXPECT_EQ(get(one).status, 200);
    EXPECT_EQ(remove(one).body["object"], "conversation");
    EXPECT_EQ(get(one).status, 404);
    EXPECT_EQ(post(path, {{"metadata", {{"a", "2"}}}}).body["metadata"]["a"], "2");
    EXPECT_EQ(remove(path).body["object"], "conversation.deleted");
    EXPECT_EQ(get(path + "/items").status, 404);
}

TEST_F(family_responses, chats_are_kept_when_they_say_so) {
    const json messages = json::parse(R"([{"role":"user","content":"hello"}])");
    post("chat/completions", {{"model", "chat"}, {"messages", messages}});
    const auto made =
        post("chat/completions",
             {{"model", "chat"}, {"messages", messages}, {"store", true}, {"metadata", {{"team", "red"}}}});
    EXPECT_EQ(ids(get("chat/completions")), std::vector{made.id()});
    EXPECT_EQ(ids(get("chat/completions?metadata%5Bteam%5D=blue")).size(), 0U);
    const std::string path = "chat/completions/" + made.id();
    EXPECT_EQ(get(path + "/messages").body["data"][0]["content"], "hello");
    EXPECT_EQ(post(path, {{"metadata", {{"team", "blue"}}}}).body["metadata"]["team"], "blue");
    EXPECT_EQ(remove(path).body["object"], "chat.completion.deleted");
    EXPECT_EQ(get(path).status, 404);
}

TEST_F(family_responses, what_azure_does_not_have_is_not_found) {
    for (const char* path : {"moderations", "skills", "chatkit/sessions"})
        EXPECT_EQ(post(path, {{"input", "x"}}).status, 404) << path;
    EXPECT_EQ(ask(at, "PUT", "files", "").status, 405);
}

}  // namespace spillway::sim::family_responses_test
