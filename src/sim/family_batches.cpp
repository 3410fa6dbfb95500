#include <set>

#include "families.hpp"
#include "family_files.hpp"
#include "kinds.hpp"

namespace spillway::sim {
namespace {

constexpr kind batch_kind{"batch", "batch_"};
constexpr std::size_t most_lines = 100'000;

json usage_json_of(const token_counts& u) {
    return {{"input_tokens", u.prompt},
            {"input_tokens_details", {{"cached_tokens", u.cached}}},
            {"output_tokens", u.completion},
            {"output_tokens_details", {{"reasoning_tokens", u.reasoning}}},
            {"total_tokens", u.total()}};
}

// "/v1/chat/completions" and "/chat/completions" are both spoken.
std::string_view without_version(std::string_view url) {
    for (const std::string_view front : {"/openai", "/v1"})
        if (url.starts_with(front)) url.remove_prefix(front.size());
    return url.starts_with('/') ? url.substr(1) : url;
}

// The lines of an input file, judged and answered in one go; what comes of it is shown when its time has come.
class batch_work {
public:
    batch_work(visit& v, std::string_view endpoint) : v_(v), endpoint_(without_version(endpoint)) {}

    void run(const blob& input) {
        if (!input.whole()) return fail("too_many_tasks", "The input file is too large.", 0);
        std::string_view rest = input.kept();
        std::vector<json> lines;
        while (!rest.empty() && lines.size() <= most_lines) {
            const std::string_view line = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(std::min(rest.size(), line.size() + 1));
            if (line.find_first_not_of(" \t\r") != std::string_view::npos)
                lines.push_back(judge(line, lines.size() + 1));
        }
        total = lines.size();
        if (lines.empty()) fail("empty_file", "The input file has no lines.", 0);
        if (lines.size() > most_lines) fail("too_many_tasks", "The input file has more than 100000 lines.", 0);
        if (!errors.empty()) return;
        for (const auto& line : lines) answer_line(line);
    }

    json errors = json::array();
    std::size_t total{0}, completed{0}, failed{0};
    std::string output, error_output, model;
    token_counts usage;

private:
    void fail(std::string_view code, const std::string& message, std::size_t line) {
        errors.push_back({{"code", code}, {"message", message}, {"param", nullptr}, {"line", nullptr}});
        if (line != 0) errors.back()["line"] = line;
    }

    json judge(std::string_view text, std::size_t number) {
        json line = json::parse(text, nullptr, false);
        const json* body = find(line, "body");
        if (body == nullptr || !body->is_object()) {
            fail("invalid_json_line", "This line is no request.", number);
            return line;
        }
        if (without_version(string_or(line, "url", "")) != endpoint_)
            fail("url_mismatch", "The URL of this line is not the endpoint of the batch.", number);
        if (!seen_.insert(string_or(line, "custom_id", "")).second)
            fail("duplicate_custom_id", "The custom_id of this line came before.", number);
        const std::string named = string_or(*body, "model", "");
        if (v_.at.find_deployment(named) == nullptr)
            fail("model_not_found", "There is no deployment '" + named + "'.", number);
        else if (!model.empty() && model != named)
            fail("model_mismatch", "All lines of a file have to name the same deployment.", number);
        if (model.empty()) model = named;
        return line;
    }

    void answer_line(const json& line) {
        const operation op = operation_at(endpoint_);
        json body = line["body"];
        body.erase("stream");
        const answer a = v_.ask(*v_.at.find_deployment(model), op, body);
        const bool good = a.status == 200;
        json told{{"id", v_.new_id("batch_req_")},
                  {"custom_id", string_or(line, "custom_id", "")},
                  {"response",
                   {{"status_code", a.status},
                    {"request_id", v_.new_id("")},
                    {"body", json::parse(a.pieces.front().bytes, nullptr, false)}}},
                  {"error", nullptr}};
        (good ? output : error_output) += to_text(told) + "\n";
        ++(good ? completed : failed);
        usage += a.usage;
    }

    visit& v_;
    std::string endpoint_;
    std::set<std::string> seen_;
};

json batch_counts(std::size_t total, std::size_t completed, std::size_t failed) {
    return {{"total", total}, {"completed", completed}, {"failed", failed}};
}

json keep_later(visit& v, const std::string& name, const std::string& text) {
    if (text.empty()) return nullptr;
    stored file = make_file(v, name, "batch_output", std::make_shared<const blob>(text));
    file.appears = v.job();
    return v.objects.keep(std::move(file), v.now).id();
}

void plan_batch(visit& v, stored& s, batch_work& work) {
    const duration whole = v.job(), step = whole / 3;
    if (!work.errors.empty()) {
        s.plan = {{step,
                   {{"status", "failed"},
                    {"failed_at", v.wall(step)},
                    {"errors", {{"object", "list"}, {"data", work.errors}}}}}};
        return;
    }
    const json output = keep_later(v, s.id() + "_output.jsonl", work.output);
    const json errors = keep_later(v, s.id() + "_errors.jsonl", work.error_output);
    s.inside = {{"files", json::array({output, errors})}};
    s.plan = {{step,
               {{"status", "in_progress"},
                {"in_progress_at", v.wall(step)},
                {"model", work.model},
                {"request_counts", batch_counts(work.total, 0, 0)}}},
              {step * 2,
               {{"status", "finalizing"},
                {"finalizing_at", v.wall(step * 2)},
                {"request_counts", batch_counts(work.total, work.completed, work.failed)}}},
              {whole,
               {{"status", "completed"},
                {"completed_at", v.wall(whole)},
                {"output_file_id", output},
                {"error_file_id", errors},
                {"usage", usage_json_of(work.usage)}}}};
}

answer create_batch(visit& v) {
    for (const char* needed : {"input_file_id", "endpoint", "completion_window"})
        if (find(v.body(), needed) == nullptr) return missing(needed);
    const std::string input = string_or(v.body(), "input_file_id", "");
    const stored* file = v.find(file_kind, input);
    if (file == nullptr) return no_such(file_kind, input);
    if (file->object["purpose"] != "batch")
        return invalid("The purpose of the input file is not batch.", "input_file_id");
    stored s;
    s.of = &batch_kind;
    s.object = v.made(batch_kind);
    v.take(s.object, {{"endpoint", ""}, {"input_file_id", ""}, {"completion_window", "24h"}, {"metadata", nullptr}});
    for (const char* later : {"in_progress_at", "finalizing_at", "completed_at", "failed_at", "expired_at",
                              "cancelling_at", "cancelled_at", "output_file_id", "error_file_id", "errors"})
        s.object[later] = nullptr;
    s.object["expires_at"] = v.wall(hours(24));
    s.object["status"] = "validating";
    s.object["request_counts"] = batch_counts(0, 0, 0);
    batch_work work(v, string_or(s.object, "endpoint", ""));
    if (operation_at(without_version(string_or(s.object, "endpoint", ""))) == operation::unknown)
        return invalid("The endpoint is none that batches are for.", "endpoint");
    work.run(*file->content);
    plan_batch(v, s, work);
    return v.keep(std::move(s));
}

answer cancel_batch(visit& v) {
    stored* s = v.named();
    if (s == nullptr) return v.no_such();
    if (s->plan.empty())
        return invalid("A batch that is " + s->object["status"].get<std::string>() + " cannot be cancelled.");
    const duration step = v.job() / 3;
    s->object["status"] = "cancelling";
    s->object["cancelling_at"] = v.wall();
    v.replan(*s, {{step, {{"status", "cancelled"}, {"cancelled_at", v.wall(step)}}}});
    const json told = s->object, files = s->inside.value("files", json::array());
    for (const auto& file : files)
        if (file.is_string()) v.objects.erase(file.get<std::string>());
    return answer::of(200, told);
}

}  // namespace

void add_batches(way_table& all) {
    all.push_back({"POST", "batches", create_batch, &batch_kind});
    all.push_back({"GET", "batches", list_all, &batch_kind});
    all.push_back({"GET", "batches/{}", get_one, &batch_kind});
    all.push_back({"POST", "batches/{}/cancel", cancel_batch, &batch_kind});
}

}  // namespace spillway::sim
