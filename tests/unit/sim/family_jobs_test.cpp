#include "../../../src/sim/grading.hpp"
#include "instance_fixture.hpp"

namespace spillway::sim::family_jobs_test {

// Evals, fine-tuning and videos: all take their time.
class family_jobs : public instance_test::living_instance {
protected:
    std::string tuning() {
        return post("fine_tuning/jobs", {{"model", "gpt-4o-mini"}, {"training_file", file("fine-tune", "{}")}}).id();
    }
};

TEST(grading, compares_what_is_filled_in) {
    const json values = json::parse(R"({"item":{"a":{"b":"x"},"n":1},"sample":{"output_text":"Rain"}})");
    EXPECT_EQ(filled_in("{{ item.a.b }}-{{item.n}}{{item.c}} {{", values), "x-1 {{");
    const auto checked = [&](const char* how, const char* reference) {
        const json grader{{"type", "string_check"},
                          {"operation", how},
                          {"input", "{{sample.output_text}}"},
                          {"reference", reference}};
        return grade(grader, values);
    };
    EXPECT_EQ(checked("eq", "Rain"), 1);
    EXPECT_EQ(checked("ne", "Rain"), 0);
    EXPECT_EQ(checked("like", "ai"), 1);
    EXPECT_EQ(checked("ilike", "RAI"), 1);
}

TEST_F(family_jobs, an_eval_judges_every_item) {
    const json criteria = json::parse(R"([{"type":"string_check","name":"same","operation":"eq",)"
                                      R"("input":"{{item.a}}","reference":"1"}])");
    const json config = json::parse(R"({"type":"custom","item_schema":{"type":"object"}})");
    const auto eval = post("evals", {{"name", "e"}, {"data_source_config", config}, {"testing_criteria", criteria}});
    EXPECT_EQ(eval.body["data_source_config"]["schema"]["type"], "object");
    const std::string path = "evals/" + eval.id();
    const json source = json::parse(R"({"type":"completions","model":"chat","source":{"type":"file_content",)"
                                    R"("content":[{"item":{"a":"1"}},{"item":{"a":"2"}}]}})");
    const auto run = post(path + "/runs", {{"data_source", source}});
    EXPECT_EQ(run.body["status"], "queued");
    later();
    const json done = get(path + "/runs/" + run.id()).body;
    EXPECT_EQ(done["status"], "completed");
    EXPECT_EQ(done["result_counts"]["passed"], 1);
    EXPECT_EQ(done["per_model_usage"][0]["invocation_count"], 2);
    const auto items = get(path + "/runs/" + run.id() + "/output_items");
    EXPECT_EQ(items.body["data"][1]["status"], "fail");
    EXPECT_EQ(ids(get(path + "/runs/" + run.id() + "/output_items?status=pass")).size(), 1U);
    EXPECT_EQ(get(path + "/runs/" + run.id() + "/output_items/" + ids(items)[0]).status, 200);
    EXPECT_EQ(post(path + "/runs/" + run.id()).status, 400);
    json lost = source;
    lost["model"] = "none";
    const auto failing = post(path + "/runs", {{"data_source", lost}});
    later();
    EXPECT_EQ(get(path + "/runs/" + failing.id()).body["status"], "failed");
    EXPECT_EQ(remove(path + "/runs/" + run.id()).body["run_id"], run.id());
    EXPECT_EQ(remove(path).body["eval_id"], eval.id());
}

TEST_F(family_jobs, an_eval_reads_a_file) {
    const json config = json::parse(R"({"type":"custom","item_schema":{"type":"object"}})");
    const auto eval = post("evals", {{"data_source_config", config}, {"testing_criteria", json::array()}});
    const std::string lines = file("evals", "{\"item\":{\"a\":1}}\n{\"item\":{\"a\":2}}\n");
    const json source{{"type", "jsonl"}, {"source", {{"type", "file_id"}, {"id", lines}}}};
    const auto run = post("evals/" + eval.id() + "/runs", {{"data_source", source}});
    EXPECT_EQ(post("evals/" + eval.id() + "/runs/" + run.id() + "/cancel").body["status"], "canceled");
    const auto other = post("evals/" + eval.id() + "/runs", {{"data_source", source}});
    later();
    EXPECT_EQ(get("evals/" + eval.id() + "/runs/" + other.id()).body["result_counts"]["total"], 2);
}

TEST_F(family_jobs, a_tuning_gives_a_model_with_events_and_checkpoints) {
    const std::string job = tuning(), path = "fine_tuning/jobs/" + job;
    EXPECT_EQ(get(path).body["status"], "validating_files");
    later();
    const json done = get(path).body;
    EXPECT_EQ(done["status"], "succeeded");
    EXPECT_TRUE(done["fine_tuned_model"].get<std::string>().starts_with("gpt-4o-mini.ft-"));
    EXPECT_EQ(get(path + "/events").body["data"].size(), 3U);
    const json checkpoint = get(path + "/checkpoints").body["data"][0];
    EXPECT_GT(checkpoint["metrics"]["train_loss"], 0);
    EXPECT_EQ(get("files/" + done["result_files"][0].get<std::string>() + "/content").status, 200);
    EXPECT_EQ(post(path + "/cancel").status, 400);
    const std::string name = checkpoint["fine_tuned_model_checkpoint"];
    const std::string permissions = "fine_tuning/checkpoints/" + name + "/permissions";
    const auto given = post(permissions, {{"project_ids", {"p1", "p2"}}});
    EXPECT_EQ(given.body["data"].size(), 2U);
    EXPECT_EQ(remove(permissions + "/" + ids(given)[0]).body["deleted"], true);
    EXPECT_EQ(get(permissions + "?order=ascending").body["data"].size(), 1U);
    EXPECT_EQ(post("fine_tuning/jobs", {{"model", "m"}, {"training_file", "file-x"}}).status, 400);
}

TEST_F(family_jobs, a_tuning_is_paused_taken_up_and_cancelled) {
    const std::string path = "fine_tuning/jobs/" + tuning();
    EXPECT_EQ(post(path + "/resume").status, 400);
    EXPECT_EQ(post(path + "/pause").body["status"], "paused");
    later();
    EXPECT_EQ(get(path).body["status"], "paused");
    EXPECT_EQ(post(path + "/resume").body["status"], "running");
    EXPECT_EQ(post(path + "/cancel").body["status"], "cancelled");
    later();
    EXPECT_EQ(get(path).body["status"], "cancelled");
    const json grader{{"type", "string_check"},
                      {"name", "g"},
                      {"operation", "eq"},
                      {"input", "{{sample.output_text}}"},
                      {"reference", "x"}};
    EXPECT_EQ(post("fine_tuning/alpha/graders/run", {{"grader", grader}, {"model_sample", "x"}}).body["reward"], 1.0);
    EXPECT_EQ(post("fine_tuning/alpha/graders/validate", {{"grader", grader}}).body["grader"], grader);
}

TEST_F(family_jobs, a_video_is_there_when_it_is_done) {
    const auto made = form("videos", {{"model", "sora-2"}, {"prompt", "rain"}, {"seconds", "8"}});
    EXPECT_EQ(made.body["seconds"], "8");
    const std::string path = "videos/" + made.id();
    EXPECT_EQ(get(path + "/content").status, 404);
    later();
    EXPECT_EQ(get(path).body["progress"], 100);
    EXPECT_EQ(get(path + "/content").whole.content_type, "video/mp4");
    EXPECT_EQ(get(path + "/content?variant=thumbnail").whole.content_type, "image/png");
    EXPECT_EQ(post(path + "/remix", {{"prompt", "sun"}}).body["remixed_from_video_id"], made.id());
    EXPECT_EQ(ids(get("videos")).size(), 2U);
    EXPECT_EQ(remove(path).body["object"], "video.deleted");
    EXPECT_EQ(post("videos", {{"model", "none"}, {"prompt", "x"}}).code(), "DeploymentNotFound");
}

TEST_F(family_jobs, the_older_form_has_jobs_and_generations) {
    const std::string path = "/openai/v1/video/generations/";
    const auto made =
        post(path + "jobs?api-version=preview", {{"model", "sora-2"}, {"prompt", "x"}, {"n_variants", 2}});
    EXPECT_EQ(made.status, 201);
    EXPECT_EQ(made.body["status"], "queued");
    later();
    const json done = get(path + "jobs/" + made.id()).body;
    EXPECT_EQ(done["status"], "succeeded");
    ASSERT_EQ(done["generations"].size(), 2U);
    const std::string one = path + done["generations"][0]["id"].get<std::string>();
    EXPECT_EQ(get(one).body["job_id"], made.id());
    EXPECT_EQ(get(one + "/content/video").whole.content_type, "video/mp4");
    EXPECT_EQ(get(one + "/content/thumbnail").whole.content_type, "image/jpeg");
    EXPECT_EQ(remove(path + "jobs/" + made.id()).status, 204);
    EXPECT_EQ(get(one).status, 404);
}

}  // namespace spillway::sim::family_jobs_test
