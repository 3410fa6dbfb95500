#include <set>

#include "families.hpp"
#include "family_threads.hpp"
#include "kinds.hpp"
#include "run_work.hpp"

namespace spillway::sim {
namespace {

bool is_over(const json& run) {
    static const std::set<std::string> ends{"completed", "failed", "cancelled", "expired", "incomplete"};
    return ends.contains(string_or(run, "status", ""));
}

// The run as it begins; `refused` says why there is none.
json begun_run(visit& v, const std::string& thread, answer& refused) {
    const std::string id = string_or(v.body(), "assistant_id", "");
    if (id.empty()) return refused = missing("assistant_id"), json(nullptr);
    const stored* assistant = v.find(assistant_kind, id);
    if (assistant == nullptr) return refused = no_such(assistant_kind, id), json(nullptr);
    json run = v.made(run_kind);
    run.update({{"assistant_id", id}, {"thread_id", thread}, {"status", "queued"}});
    for (const char* later : {"started_at", "cancelled_at", "failed_at", "completed_at", "required_action",
                              "last_error", "incomplete_details", "usage"})
        run[later] = nullptr;
    run["expires_at"] = v.wall(minutes(10));
    const json& from = assistant->object;
    v.take(run, {{"model", from["model"]},
                 {"instructions", from["instructions"]},
                 {"tools", from["tools"]},
                 {"temperature", from["temperature"]},
                 {"top_p", from["top_p"]},
                 {"response_format", from["response_format"]},
                 {"metadata", json::object()},
                 {"max_prompt_tokens", nullptr},
                 {"max_completion_tokens", nullptr},
                 {"truncation_strategy", {{"type", "auto"}, {"last_messages", nullptr}}},
                 {"tool_choice", "auto"},
                 {"parallel_tool_calls", true}});
    if (run["model"].is_null()) run["model"] = from["model"];
    if (run["instructions"].is_null()) run["instructions"] = "";
    return run;
}

answer start_run(visit& v, const std::string& thread, const json* new_thread) {
    answer refused;
    const json run = begun_run(v, thread, refused);
    if (run.is_null()) return refused;
    const deployment* on = v.at.find_deployment(string_or(run, "model", ""));
    if (on == nullptr) return invalid("The requested model does not exist.", "model");
    if (const json* more = find(v.body(), "additional_messages"); more != nullptr && more->is_array())
        for (const auto& m : *more) v.objects.keep(make_message(v, thread, m), v.now);
    return run_work(v, *on, run, json::array()).finish(true_in(v.body(), "stream"), new_thread);
}

answer create_run(visit& v) {
    const stored* thread = v.named();
    if (thread == nullptr) return no_such(thread_kind, v.ids[0]);
    for (const stored* s : v.objects.all(run_kind, thread->key, v.now))
        if (!is_over(s->object))
            return invalid("Thread " + thread->key + " already has an active run " + s->key + ".");
    return start_run(v, thread->key, nullptr);
}

answer create_thread_and_run(visit& v) {
    const std::string id = string_or(v.body(), "assistant_id", "");
    if (v.find(assistant_kind, id) == nullptr)
        return id.empty() ? missing("assistant_id") : no_such(assistant_kind, id);
    const json* wanted = find(v.body(), "thread");
    const json thread = make_thread(v, wanted != nullptr ? *wanted : json::object()).object;
    return start_run(v, string_or(thread, "id", ""), &thread);
}

answer submit_outputs(visit& v) {
    stored* s = v.named();
    if (s == nullptr) return no_such(run_kind, v.ids.back());
    const json* outputs = find(v.body(), "tool_outputs");
    if (outputs == nullptr || !outputs->is_array()) return missing("tool_outputs");
    if (s->object["status"] != "requires_action")
        return invalid("Runs in status \"" + string_or(s->object, "status", "") + "\" do not accept tool outputs.");
    std::set<std::string> open;
    for (const auto& c : s->object["required_action"]["submit_tool_outputs"]["tool_calls"])
        open.insert(string_or(c, "id", ""));
    json results = json::array();
    for (const auto& o : *outputs) {
        open.erase(string_or(o, "tool_call_id", ""));
        results.push_back({{"role", "tool"}, {"content", string_or(o, "output", "")}});
    }
    if (!open.empty())
        return invalid("Expected tool outputs for call_ids ['" + *open.begin() + "'].", "tool_outputs");
    for (stored* step : v.objects.all(step_kind, s->key, v.now))
        step->object.update({{"status", "completed"}, {"completed_at", v.wall()}});
    const deployment* on = v.at.find_deployment(string_or(s->object, "model", ""));
    if (on == nullptr) return invalid("The requested model does not exist.", "model");
    json run = s->object;
    run.update({{"status", "queued"}, {"required_action", nullptr}});
    return run_work(v, *on, run, results).finish(true_in(v.body(), "stream"), nullptr);
}

answer cancel_run(visit& v) {
    stored* s = v.named();
    if (s == nullptr) return no_such(run_kind, v.ids.back());
    if (is_over(s->object))
        return invalid("Cannot cancel run with status '" + string_or(s->object, "status", "") + "'.");
    const duration step = v.job() / 3;
    s->object["status"] = "cancelling";
    v.replan(*s, {{step, {{"status", "cancelled"}, {"cancelled_at", v.wall(step)}, {"required_action", nullptr}}}});
    const json told = s->object;
    if (stored* unfinished = v.objects.find(string_or(s->inside, "step", ""), v.now); unfinished != nullptr) {
        unfinished->plan.clear();
        unfinished->object.update({{"status", "cancelled"}, {"cancelled_at", v.wall()}});
    }
    v.objects.erase(string_or(s->inside, "message", ""));
    return answer::of(200, told);
}

}  // namespace

void add_runs(way_table& all) {
    all.push_back({"POST", "threads/runs", create_thread_and_run, &run_kind});
    all.push_back({"POST", "threads/{}/runs", create_run, &run_kind});
    all.push_back({"GET", "threads/{}/runs", list_all, &run_kind});
    all.push_back({"GET", "threads/{}/runs/{}", get_one, &run_kind});
    all.push_back({"POST", "threads/{}/runs/{}", update_one, &run_kind});
    all.push_back({"POST", "threads/{}/runs/{}/submit_tool_outputs", submit_outputs, &run_kind});
    all.push_back({"POST", "threads/{}/runs/{}/cancel", cancel_run, &run_kind});
    all.push_back({"GET", "threads/{}/runs/{}/steps", list_all, &step_kind});
    all.push_back({"GET", "threads/{}/runs/{}/steps/{}", get_one, &step_kind});
}

}  // namespace spillway::sim
