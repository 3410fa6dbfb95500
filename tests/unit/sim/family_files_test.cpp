#include "instance_fixture.hpp"

namespace spillway::sim::family_files_test {

class family_files : public instance_test::living_instance {
protected:
    std::string line(const std::string& id, const std::string& model = "chat") {
        return R"({"custom_id":")" + id + R"(","method":"POST","url":"/chat/completions","body":{"model":")" + model +
               R"(","messages":[{"role":"user","content":"x"}]}})" + "\n";
    }
    instance_test::told batch(const std::string& input) {
        return post("batches", {{"input_file_id", file("batch", input)},
                                {"endpoint", "/chat/completions"},
                                {"completion_window", "24h"}});
    }
};

TEST_F(family_files, a_file_comes_back_without_its_form) {
    const auto made = form("files", {{"purpose", "batch"}, {"file", "@one\r\ntwo"}});
    EXPECT_EQ(made.body["bytes"], 8);
    EXPECT_EQ(made.body["filename"], "f.bin");
    EXPECT_EQ(get("files/" + made.id()).body, made.body);
    EXPECT_EQ(get("files/" + made.id() + "/content").text, "one\r\ntwo");
    EXPECT_EQ(remove("files/" + made.id()).body["deleted"], true);
    EXPECT_EQ(get("files/" + made.id() + "/content").status, 404);
    EXPECT_EQ(form("files", {{"purpose", "batch"}}).status, 400);
    EXPECT_EQ(form("files", {{"purpose", "play"}, {"file", "@x"}}).status, 400);
}

TEST_F(family_files, lists_come_in_pages) {
    std::vector<std::string> made;
    for (const char* content : {"1", "2", "3", "4"}) made.push_back(file("batch", content));
    file("assistants", "5");
    EXPECT_EQ(ids(get("files?purpose=batch&order=asc")), made);
    const auto first = get("files?purpose=batch&limit=3");
    EXPECT_EQ(ids(first), (std::vector{made[3], made[2], made[1]}));
    EXPECT_EQ(first.body["has_more"], true);
    const auto second = get("files?purpose=batch&limit=3&after=" + first.body["last_id"].get<std::string>());
    EXPECT_EQ(ids(second), std::vector{made[0]});
    EXPECT_EQ(second.body["has_more"], false);
    EXPECT_EQ(ids(get("files?purpose=batch&order=asc&before=" + made[2])), (std::vector{made[0], made[1]}));
    EXPECT_EQ(get("files?after=file-x").status, 400);
    EXPECT_EQ(get("files?order=up").status, 400);
}

TEST_F(family_files, an_upload_becomes_a_file_when_it_is_complete) {
    const auto made =
        post("uploads", {{"bytes", 6}, {"filename", "a"}, {"mime_type", "text/plain"}, {"purpose", "batch"}});
    const std::string path = "uploads/" + made.id();
    const auto one = form(path + "/parts", {{"data", "@abc"}}), two = form(path + "/parts", {{"data", "@def"}});
    EXPECT_EQ(one.body["object"], "upload.part");
    EXPECT_EQ(post(path + "/complete", {{"part_ids", {one.id()}}}).status, 400);
    const auto done = post(path + "/complete", {{"part_ids", {two.id(), one.id()}}});
    EXPECT_EQ(done.body["status"], "completed");
    EXPECT_EQ(get("files/" + done.body["file"]["id"].get<std::string>() + "/content").text, "defabc");
    EXPECT_EQ(post(path + "/cancel").status, 400);
    EXPECT_EQ(post("uploads/upload_x/cancel").status, 404);
}

TEST_F(family_files, a_batch_goes_its_way_and_writes_its_files) {
    const auto made = batch(line("1") + line("2") + line("3").replace(line("3").find("messages"), 8, "nothing."));
    EXPECT_EQ(made.body["status"], "validating");
    EXPECT_EQ(ids(get("files?purpose=batch_output")).size(), 0U);
    now += seconds(1);
    EXPECT_EQ(get("batches/" + made.id()).body["status"], "in_progress");
    later();
    const json done = get("/openai/batches/" + made.id() + "?api-version=2024-10-21").body;
    EXPECT_EQ(done["status"], "completed");
    EXPECT_EQ(done["request_counts"], json({{"total", 3}, {"completed", 2}, {"failed", 1}}));
    EXPECT_GT(done["usage"]["total_tokens"], 0);
    const std::string output = get("files/" + done["output_file_id"].get<std::string>() + "/content").text;
    const json first = json::parse(output.substr(0, output.find('\n')));
    EXPECT_EQ(first["custom_id"], "1");
    EXPECT_EQ(first["response"]["body"]["object"], "chat.completion");
    const std::string errors = get("files/" + done["error_file_id"].get<std::string>() + "/content").text;
    EXPECT_EQ(json::parse(errors)["response"]["status_code"], 400);
}

TEST_F(family_files, a_batch_below_a_deployment_is_the_same) {
    const json body{{"input_file_id", file("batch", line("1"))},
                    {"endpoint", "/v1/chat/completions"},
                    {"completion_window", "24h"}};
    const std::string path = "/openai/deployments/chat/batches?api-version=2024-10-21";
    EXPECT_EQ(ask(at, "POST", path, to_text(body)).body["object"], "batch");
}

TEST_F(family_files, a_batch_with_wrong_lines_fails_and_says_which) {
    const auto made = batch(line("1") + "{\n" + line("1") + line("3", "none"));
    later();
    const json failed = get("batches/" + made.id()).body;
    EXPECT_EQ(failed["status"], "failed");
    std::vector<std::string> codes;
    for (const auto& e : failed["errors"]["data"]) codes.push_back(e["code"].get<std::string>() + to_text(e["line"]));
    EXPECT_EQ(codes, (std::vector<std::string>{"invalid_json_line2", "duplicate_custom_id3", "model_not_found4"}));
    EXPECT_EQ(post("batches", {{"input_file_id", "file-x"}, {"endpoint", "/x"}, {"completion_window", "24h"}}).status,
              404);
}

TEST_F(family_files, a_cancelled_batch_leaves_no_files) {
    const auto made = batch(line("1"));
    EXPECT_EQ(post("batches/" + made.id() + "/cancel").body["status"], "cancelling");
    later();
    EXPECT_EQ(get("batches/" + made.id()).body["status"], "cancelled");
    EXPECT_EQ(ids(get("files?purpose=batch_output")).size(), 0U);
    EXPECT_EQ(ids(get("batches")), std::vector{made.id()});
    EXPECT_EQ(post("batches/" + made.id() + "/cancel").status, 400);
}

}  // namespace spillway::sim::family_files_test
