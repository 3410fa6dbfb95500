#include <algorithm>

#include "families.hpp"
#include "grading.hpp"
#include "kinds.hpp"

namespace spillway::sim {
namespace {

constexpr kind eval_kind{"eval", "eval_"}, eval_run_kind{"eval.run", "evalrun_"},
    output_item_kind{"eval.run.output_item", "outputitem_"};

answer create_eval(visit& v) {
    for (const char* needed : {"data_source_config", "testing_criteria"})
        if (find(v.body(), needed) == nullptr) return missing(needed);
    stored s;
    s.of = &eval_kind;
    s.object = v.made(eval_kind);
    v.take(s.object, {{"name", "eval"}, {"metadata", json::object()}, {"testing_criteria", json::array()}});
    json config = v.body()["data_source_config"];
    if (const json* schema = find(config, "item_schema"); schema != nullptr) {
        const json item = *schema;
        config.erase("item_schema");
        config.erase("include_sample_schema");
        config["schema"] = {{"type", "object"}, {"properties", {{"item", item}}}, {"required", {"item"}}};
    } else {
        config["schema"] = json::object();
    }
    s.object["data_source_config"] = std::move(config);
    return v.keep(std::move(s));
}

// The items that a run goes through: written into the request, or lines of a file.
std::vector<json> items_of(visit& v, const json& data_source) {
    std::vector<json> out;
    const json source = data_source.value("source", json::object());
    if (const json* content = find(source, "content"); content != nullptr)
        for (const auto& c : *content) out.push_back(c);
    const stored* file = v.find(file_kind, string_or(source, "id", ""));
    std::string_view rest = file != nullptr ? std::string_view(file->content->kept()) : std::string_view{};
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        if (json j = json::parse(line, nullptr, false); j.is_object()) out.push_back(std::move(j));
    }
    if (string_or(source, "type", "") == "stored_completions")
        for (const stored* chat : v.objects.all(chat_kind, "", v.now))
            out.push_back({{"item", {{"id", chat->id()}}}, {"sample", chat->object["choices"][0]["message"]}});
    return out;
}

class eval_work {
public:
    eval_work(visit& v, const json& criteria, const json& data_source)
        : v_(v), criteria_(criteria), source_(data_source), model_(string_or(data_source, "model", "")) {
        for (const auto& c : criteria_)
            by_criterion_.push_back({{"testing_criteria", string_or(c, "name", "")}, {"passed", 0}, {"failed", 0}});
    }

    // The item as it comes out, below the run.
    stored judge(const json& line, std::size_t number, const stored& run) {
        const json item = line.value("item", line);
        json sample = take_sample(item, line);
        const json values{{"item", item}, {"sample", {{"output_text", sample["output"][0]["content"]}}}};
        json results = json::array();
        bool good = true;
        for (std::size_t i = 0; i < criteria_.size(); ++i) {
            const double score = grade(criteria_[i], values);
            json& sums = by_criterion_[i][score >= 0.5 ? "passed" : "failed"];
            sums = sums.get<int>() + 1;
            good = good && score >= 0.5;
            results.push_back({{"name", string_or(criteria_[i], "name", "")},
                               {"type", string_or(criteria_[i], "type", "")},
                               {"passed", score >= 0.5},
                               {"score", score},
                               {"sample", nullptr}});
        }
        ++(good ? passed_ : failed_);
        stored s;
        s.of = &output_item_kind;
        s.parent = run.key;
        s.appears = v_.job();
        s.object = v_.made(output_item_kind);
        s.object.update({{"run_id", run.key},
                         {"eval_id", run.parent},
                         {"status", good ? "pass" : "fail"},
                         {"datasource_item_id", number},
                         {"datasource_item", item}});
        s.object["results"] = std::move(results);
        s.object["sample"] = std::move(sample);
        return s;
    }

    json result_counts() const {
        return {{"total", passed_ + failed_}, {"errored", 0}, {"failed", failed_}, {"passed", passed_}};
    }
    const json& by_criterion() const noexcept { return by_criterion_; }
    json usage() const {
        if (model_.empty()) return json::array();
        return json::array({{{"model_name", model_},
                             {"invocation_count", passed_ + failed_},
                             {"prompt_tokens", usage_.prompt},
                             {"completion_tokens", usage_.completion},
                             {"total_tokens", usage_.total()},
                             {"cached_tokens", usage_.cached}}});
    }

private:
    json chat_for(const json& item) const {
        json messages = json::array();
        const json given = source_.value("input_messages", json::object()).value("template", json::array());
        for (const auto& m : given)
            messages.push_back({{"role", string_or(m, "role", "user")},
                                {"content", filled_in(string_or(m, "content", ""), {{"item", item}})}});
        if (messages.empty()) messages.push_back({{"role", "user"}, {"content", to_text(item)}});
        return messages;
    }

    // What the model says to the item, or what came with it.
    json take_sample(const json& item, const json& line) {
        json input = json::array(), output = line.value("sample", json::object());
        token_counts used;
        if (const deployment* on = v_.at.find_deployment(model_); on != nullptr) {
            input = chat_for(item);
            const answer a = v_.ask(*on, operation::chat, {{"messages", input}});
            used = a.usage;
            usage_ += used;
            output = json::parse(a.pieces.front().bytes)["choices"][0]["message"];
        }
        const std::string text = string_or(output, "content", string_or(output, "output_text", ""));
        return {{"input", input},
                {"output", json::array({{{"role", "assistant"}, {"content", text}}})},
                {"finish_reason", "stop"},
                {"model", model_},
                {"usage",
                 {{"total_tokens", used.total()},
                  {"completion_tokens", used.completion},
                  {"prompt_tokens", used.prompt},
                  {"cached_tokens", used.cached}}},
                {"error", nullptr},
                {"temperature", 1.0},
                {"max_completion_tokens", 1024},
                {"top_p", 1.0},
                {"seed", 42}};
    }

    visit& v_;
    json criteria_;
    const json& source_;
    std::string model_;
    json by_criterion_ = json::array();
    std::size_t passed_{0}, failed_{0};
    token_counts usage_;
};

answer create_eval_run(visit& v) {
    const stored* eval = v.named();
    if (eval == nullptr) return no_such(eval_kind, v.ids[0]);
    const json* source = find(v.body(), "data_source");
    if (source == nullptr) return missing("data_source");
    const std::string model = string_or(*source, "model", "");
    stored s;
    s.of = &eval_run_kind;
    s.parent = eval->key;
    s.object = v.made(eval_run_kind);
    s.object.update({{"eval_id", eval->key}, {"status", "queued"}, {"model", model}});
    v.take(s.object, {{"name", "run"}, {"metadata", json::object()}, {"data_source", nullptr}});
    s.key = s.id();
    s.object["report_url"] = "https://simulator.invalid/evals/" + eval->key + "/" + s.key;
    s.object["error"] = nullptr;
    eval_work work(v, eval->object["testing_criteria"], *source);
    s.object["result_counts"] = work.result_counts();
    s.object["per_model_usage"] = json::array();
    s.object["per_testing_criteria_results"] = json::array();
    const duration whole = v.job();
    if (!model.empty() && v.at.find_deployment(model) == nullptr) {
        const json why{{"code", "DeploymentNotFound"}, {"message", "There is no deployment '" + model + "'."}};
        s.plan = {{whole / 3, {{"status", "failed"}, {"error", why}}}};
        return v.keep(std::move(s));
    }
    std::vector<stored> judged;
    for (const auto& line : items_of(v, *source)) judged.push_back(work.judge(line, judged.size(), s));
    s.plan = {{whole / 3, {{"status", "in_progress"}}},
              {whole,
               {{"status", "completed"},
                {"result_counts", work.result_counts()},
                {"per_model_usage", work.usage()},
                {"per_testing_criteria_results", work.by_criterion()}}}};
    const json told = v.objects.keep(std::move(s), v.now).object;
    for (auto& one : judged) v.objects.keep(std::move(one), v.now);
    return answer::of(200, told);
}

answer cancel_eval_run(visit& v) {
    stored* s = v.named();
    if (s == nullptr) return v.no_such();
    if (s->plan.empty())
        return invalid("A run that is " + string_or(s->object, "status", "over") + " cannot be cancelled.");
    s->plan.clear();
    s->object["status"] = "canceled";
    return answer::of(200, s->object);
}

// Their ids have names of their own here.
answer deleted_as(visit& v, const char* name) {
    const stored* s = v.named();
    if (s == nullptr) return v.no_such();
    v.objects.erase(s->key);
    return answer::of(200,
                      {{"object", std::string(v.of->object) + ".deleted"}, {"deleted", true}, {name, v.ids.back()}});
}

answer delete_eval(visit& v) { return deleted_as(v, "eval_id"); }
answer delete_eval_run(visit& v) { return deleted_as(v, "run_id"); }

answer list_by_status(visit& v) {
    const stored* above = v.named();
    if (above == nullptr) return v.no_such();
    const std::string status = v.parameter("status");
    std::vector<json> out;
    for (const stored* s : v.objects.all(*v.of, above->key, v.now))
        if (status.empty() || s->object["status"] == status) out.push_back(s->object);
    return page_of(v, std::move(out), {20, true});
}

}  // namespace

void add_evals(way_table& all) {
    all.push_back({"POST", "evals", create_eval, &eval_kind});
    all.push_back({"GET", "evals", list_oldest_first, &eval_kind});
    all.push_back({"GET", "evals/{}", get_one, &eval_kind});
    all.push_back({"POST", "evals/{}", update_one, &eval_kind});
    all.push_back({"DELETE", "evals/{}", delete_eval, &eval_kind});
    all.push_back({"POST", "evals/{}/runs", create_eval_run, &eval_run_kind});
    all.push_back({"GET", "evals/{}/runs", list_by_status, &eval_run_kind});
    all.push_back({"GET", "evals/{}/runs/{}", get_one, &eval_run_kind});
    all.push_back({"POST", "evals/{}/runs/{}", cancel_eval_run, &eval_run_kind});
    all.push_back({"POST", "evals/{}/runs/{}/cancel", cancel_eval_run, &eval_run_kind});
    all.push_back({"DELETE", "evals/{}/runs/{}", delete_eval_run, &eval_run_kind});
    all.push_back({"GET", "evals/{}/runs/{}/output_items", list_by_status, &output_item_kind});
    all.push_back({"GET", "evals/{}/runs/{}/output_items/{}", get_one, &output_item_kind});
}

}  // namespace spillway::sim
