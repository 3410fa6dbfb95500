#include <algorithm>

#include "families.hpp"
#include "family_files.hpp"
#include "grading.hpp"
#include "kinds.hpp"

namespace spillway::sim {
namespace {

constexpr kind job_kind{"fine_tuning.job", "ftjob-"}, event_kind{"fine_tuning.job.event", "ftevent-"},
    checkpoint_kind{"fine_tuning.job.checkpoint", "ftckpt_"}, permission_kind{"checkpoint.permission", "cp_"};

void add_event(visit& v, const std::string& job, const std::string& message, duration appears) {
    stored s;
    s.of = &event_kind;
    s.parent = job;
    s.appears = appears;
    s.object = v.made(event_kind);
    s.object.update({{"level", "info"}, {"message", message}, {"data", json::object()}, {"type", "message"}});
    s.object["created_at"] = v.wall(appears);
    v.objects.keep(std::move(s), v.now);
}

void add_checkpoint(visit& v, const std::string& job, const std::string& model, duration appears) {
    constexpr int step = 100;
    stored s;
    s.of = &checkpoint_kind;
    s.parent = job;
    s.appears = appears;
    s.object = v.made(checkpoint_kind);
    s.object.update({{"fine_tuning_job_id", job},
                     {"fine_tuned_model_checkpoint", model + ":ckpt-step-" + std::to_string(step)},
                     {"step_number", step}});
    s.object["metrics"] = {{"step", step}, {"train_loss", 0.25}, {"train_mean_token_accuracy", 0.875}};
    v.objects.keep(std::move(s), v.now);
}

// The rest of the job's life, and what it brings forth.
void run_job(visit& v, stored& job, duration whole) {
    const std::string id = job.key, model = string_or(job.object, "model", "");
    std::string made = model + ".ft-" + id.substr(id.find('-') + 1);
    if (const std::string suffix = string_or(job.inside, "suffix", ""); !suffix.empty()) made += "-" + suffix;
    stored results = make_file(v, "results.csv", "fine-tune-results",
                               std::make_shared<const blob>("step,train_loss,train_accuracy\n100,0.25,0.875\n"));
    results.appears = whole;
    const std::string file = results.id();
    job.inside["results"] = file;
    v.replan(job, {{whole / 3, {{"status", "queued"}}},
                   {whole / 2, {{"status", "running"}}},
                   {whole,
                    {{"status", "succeeded"},
                     {"fine_tuned_model", made},
                     {"finished_at", v.wall(whole)},
                     {"trained_tokens", 4096},
                     {"result_files", json::array({file})}}}});
    v.objects.keep(std::move(results), v.now);
    add_event(v, id, "Fine-tuning job started.", whole / 2);
    add_event(v, id, "The job has successfully completed.", whole);
    add_checkpoint(v, id, made, whole);
}

// What was still to come does not.
void stop_job(visit& v, stored& job) {
    job.plan.clear();
    v.objects.erase(string_or(job.inside, "results", ""));
}

answer create_fine_tuning(visit& v) {
    for (const char* needed : {"model", "training_file"})
        if (find(v.body(), needed) == nullptr) return missing(needed);
    for (const char* name : {"training_file", "validation_file"})
        if (const std::string id = string_or(v.body(), name, ""); !id.empty() && v.find(file_kind, id) == nullptr)
            return invalid("No such file: '" + id + "'.", name);
    stored s;
    s.of = &job_kind;
    s.object = v.made(job_kind);
    const json automatic{{"n_epochs", "auto"}, {"batch_size", "auto"}, {"learning_rate_multiplier", "auto"}};
    v.take(s.object, {{"model", ""},
                      {"training_file", ""},
                      {"validation_file", nullptr},
                      {"hyperparameters", automatic},
                      {"method", {{"type", "supervised"}, {"supervised", {{"hyperparameters", automatic}}}}},
                      {"integrations", nullptr},
                      {"metadata", json::object()},
                      {"seed", 42}});
    s.object.update({{"organization_id", "org-simulator"},
                     {"status", "validating_files"},
                     {"error", nullptr},
                     {"fine_tuned_model", nullptr},
                     {"finished_at", nullptr},
                     {"estimated_finish", nullptr},
                     {"trained_tokens", nullptr},
                     {"result_files", json::array()}});
    s.inside = {{"suffix", string_or(v.body(), "suffix", "")}};
    const json told = s.object;
    const std::string id = s.id();
    v.objects.keep(std::move(s), v.now);
    add_event(v, id, "Validating training file.", {});
    run_job(v, *v.objects.find(id, v.now), v.job());
    return answer::of(200, told);
}

// `status` is what the job comes to; one that is over stays so.
answer change_job(visit& v, std::string_view status) {
    stored* s = v.named();
    if (s == nullptr) return v.no_such();
    const std::string is = string_or(s->object, "status", "");
    const bool fits = status == "running" ? is == "paused" : !s->plan.empty();
    if (!fits) return invalid("A job that is " + is + " cannot become " + std::string(status) + ".");
    if (status == "running") run_job(v, *s, v.job());
    else stop_job(v, *s);
    s->object["status"] = status;
    if (status == "cancelled") s->object["finished_at"] = v.wall();
    return answer::of(200, s->object);
}

answer cancel_job(visit& v) { return change_job(v, "cancelled"); }
answer pause_job(visit& v) { return change_job(v, "paused"); }
answer resume_job(visit& v) { return change_job(v, "running"); }

// Permissions lie below the name of a checkpoint, which is no object of this instance.
answer create_permissions(visit& v) {
    const json* projects = find(v.body(), "project_ids");
    if (projects == nullptr || !projects->is_array()) return missing("project_ids");
    std::vector<json> made;
    for (const auto& project : *projects) {
        stored s;
        s.of = &permission_kind;
        s.parent = "checkpoint " + v.ids[0];
        s.object = v.made(permission_kind);
        s.object["project_id"] = project;
        made.push_back(v.objects.keep(std::move(s), v.now).object);
    }
    return page_of(v, std::move(made), {20, true});
}

answer list_permissions(visit& v) {
    std::vector<json> out;
    for (const stored* s : v.objects.all(permission_kind, "checkpoint " + v.ids[0], v.now)) out.push_back(s->object);
    return page_of(v, std::move(out));
}

answer delete_permission(visit& v) {
    const stored* s = v.find(permission_kind, v.ids[1]);
    if (s == nullptr || s->parent != "checkpoint " + v.ids[0]) return v.no_such();
    v.objects.erase(s->key);
    return answer::of(200, {{"id", v.ids[1]}, {"object", "checkpoint.permission"}, {"deleted", true}});
}

json no_errors() {
    json out = json::object();
    for (const char* kind_of :
         {"formula_parse_error", "sample_parse_error", "truncated_observation_error", "unresponsive_reward_error",
          "invalid_variable_error", "other_error", "python_grader_server_error", "python_grader_runtime_error",
          "model_grader_server_error", "model_grader_refusal_error", "model_grader_parse_error"})
        out[kind_of] = false;
    for (const char* detail : {"python_grader_server_error_type", "python_grader_runtime_error_details",
                               "model_grader_server_error_details"})
        out[detail] = nullptr;
    return out;
}

answer run_grader(visit& v) {
    const json* grader = find(v.body(), "grader");
    if (grader == nullptr) return missing("grader");
    const json values{{"item", v.body().value("item", json::object())},
                      {"sample", {{"output_text", string_or(v.body(), "model_sample", "")}}}};
    return answer::of(200, {{"reward", grade(*grader, values)},
                            {"metadata",
                             {{"name", string_or(*grader, "name", "")},
                              {"type", string_or(*grader, "type", "")},
                              {"errors", no_errors()},
                              {"execution_time", 0.01},
                              {"scores", json::object()},
                              {"token_usage", nullptr},
                              {"sampled_model_name", nullptr}}},
                            {"sub_rewards", json::object()},
                            {"model_grader_token_usage_per_model", json::object()}});
}

answer validate_grader(visit& v) {
    const json* grader = find(v.body(), "grader");
    return grader != nullptr ? answer::of(200, {{"grader", *grader}}) : missing("grader");
}

}  // namespace

void add_fine_tuning(way_table& all) {
    all.push_back({"POST", "fine_tuning/jobs", create_fine_tuning, &job_kind});
    all.push_back({"GET", "fine_tuning/jobs", list_all, &job_kind});
    all.push_back({"GET", "fine_tuning/jobs/{}", get_one, &job_kind});
    all.push_back({"DELETE", "fine_tuning/jobs/{}", delete_one, &job_kind});
    all.push_back({"POST", "fine_tuning/jobs/{}/cancel", cancel_job, &job_kind});
    all.push_back({"POST", "fine_tuning/jobs/{}/pause", pause_job, &job_kind});
    all.push_back({"POST", "fine_tuning/jobs/{}/resume", resume_job, &job_kind});
    all.push_back({"GET", "fine_tuning/jobs/{}/events", list_all, &event_kind});
    all.push_back({"GET", "fine_tuning/jobs/{}/checkpoints", list_all, &checkpoint_kind});
    all.push_back({"POST", "fine_tuning/jobs/{}/checkpoints/{}/copy", get_one, &checkpoint_kind});
    all.push_back({"POST", "fine_tuning/checkpoints/{}/permissions", create_permissions, &permission_kind});
    all.push_back({"GET", "fine_tuning/checkpoints/{}/permissions", list_permissions, &permission_kind});
    all.push_back({"DELETE", "fine_tuning/checkpoints/{}/permissions/{}", delete_permission, &permission_kind});
    all.push_back({"POST", "fine_tuning/alpha/graders/run", run_grader, nullptr});
    all.push_back({"POST", "fine_tuning/alpha/graders/validate", validate_grader, nullptr});
}

}  // namespace spillway::sim
