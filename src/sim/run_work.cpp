#include "run_work.hpp"

#include "answer_text.hpp"
#include "kinds.hpp"

namespace spillway::sim {
namespace {

// The messages of the thread and what the tools gave, as a chat.
json chat_of(visit& v, const json& run, const json& results) {
    json messages = json::array();
    for (const stored* m : v.objects.all(message_kind, string_or(run, "thread_id", ""), v.now))
        messages.push_back({{"role", m->object["role"]}, {"content", m->object["content"]}});
    for (const auto& r : results) messages.push_back(r);
    json body{{"messages", std::move(messages)}, {"instructions", run["instructions"]}};
    if (!run["tools"].empty()) body["tools"] = run["tools"];
    if (run["tool_choice"] != json("auto") && results.empty()) body["tool_choice"] = run["tool_choice"];
    if (run["max_completion_tokens"].is_number()) body["max_completion_tokens"] = run["max_completion_tokens"];
    return body;
}

json usage_of_run(const token_counts& u) {
    return {{"prompt_tokens", u.prompt}, {"completion_tokens", u.completion}, {"total_tokens", u.total()}};
}

}  // namespace

run_work::run_work(visit& v, const deployment& on, json run, const json& results)
    : v_(v), on_(on), run_(std::move(run)), step_id_(v.new_id(step_kind.prefix)) {
    message_id_ = v.new_id(message_kind.prefix);
    think(results);
}

void run_work::think(const json& results) {
    const json body = chat_of(v_, run_, results);
    call c;
    c.op = operation::chat;
    c.deployment = &on_.options;
    c.body = &body;
    c.id = v_.new_id("");
    usage_.prompt = prompt_tokens(body);
    v_.x.on = v_.at.find_deployment(on_.options.name);
    v_.x.estimated = estimated_tokens(c);
    refused_ = !resource::admit(*v_.x.on, v_.x.estimated, v_.now).admitted();
    if (refused_) return;
    calls_ = tool_calls_for(c);
    for (const auto& t : calls_) usage_.completion += t.tokens();
    if (!calls_.empty()) return;
    words_ = make_text(c).tokens;
    usage_.completion = words_.size();
}

json run_work::calls_json(bool indexed) const {
    json out = json::array();
    for (const auto& t : calls_) {
        json one = json::object();
        if (indexed) one["index"] = out.size();
        one.update({{"id", t.id}, {"type", "function"}});
        one["function"] = {{"name", t.name}, {"arguments", t.arguments}};
        out.push_back(std::move(one));
    }
    return out;
}

// The members of the run that its end changes.
json run_work::final_members() const {
    if (refused_)
        return {{"status", "failed"},
                {"failed_at", v_.wall()},
                {"last_error", {{"code", "rate_limit_exceeded"}, {"message", "The deployment is over its quota."}}}};
    if (!calls_.empty())
        return {{"status", "requires_action"},
                {"required_action",
                 {{"type", "submit_tool_outputs"}, {"submit_tool_outputs", {{"tool_calls", calls_json(false)}}}}}};
    return {{"status", "completed"},
            {"completed_at", v_.wall(v_.job())},
            {"required_action", nullptr},
            {"expires_at", nullptr},
            {"usage", usage_of_run(usage_)}};
}

json run_work::step(const char* type, json details) const {
    return {{"id", step_id_},
            {"object", "thread.run.step"},
            {"created_at", v_.wall()},
            {"run_id", run_["id"]},
            {"assistant_id", run_["assistant_id"]},
            {"thread_id", run_["thread_id"]},
            {"type", type},
            {"status", "in_progress"},
            {"cancelled_at", nullptr},
            {"completed_at", nullptr},
            {"expired_at", nullptr},
            {"failed_at", nullptr},
            {"last_error", nullptr},
            {"metadata", json::object()},
            {"step_details", std::move(details)},
            {"usage", nullptr}};
}

json run_work::message(const char* status, bool whole) const {
    json content = json::array();
    if (whole) {
        std::string text;
        for (const auto& w : words_) text += w;
        content.push_back({{"type", "text"}, {"text", {{"value", text}, {"annotations", json::array()}}}});
    }
    return {{"id", message_id_},
            {"object", "thread.message"},
            {"created_at", v_.wall()},
            {"thread_id", run_["thread_id"]},
            {"status", status},
            {"incomplete_details", nullptr},
            {"incomplete_at", nullptr},
            {"completed_at", whole ? json(v_.wall(v_.job())) : json(nullptr)},
            {"role", "assistant"},
            {"content", std::move(content)},
            {"assistant_id", run_["assistant_id"]},
            {"run_id", run_["id"]},
            {"attachments", json::array()},
            {"metadata", json::object()}};
}

void run_work::keep_parts(duration appears) {
    if (refused_) return;
    stored s;
    s.of = &step_kind;
    s.parent = string_or(run_, "id", "");
    s.appears = appears / 3;
    if (calls_.empty()) {
        s.object = step("message_creation",
                        {{"type", "message_creation"}, {"message_creation", {{"message_id", message_id_}}}});
        s.plan = {{appears,
                   {{"status", "completed"}, {"completed_at", v_.wall(appears)}, {"usage", usage_of_run(usage_)}}}};
        stored m;
        m.of = &message_kind;
        m.parent = string_or(run_, "thread_id", "");
        m.object = message("completed", true);
        m.appears = appears;
        v_.objects.keep(std::move(m), v_.now);
    } else {
        s.object = step("tool_calls", {{"type", "tool_calls"}, {"tool_calls", calls_json(false)}});
    }
    v_.objects.keep(std::move(s), v_.now);
}

void run_work::emit(answer& out, std::string_view name, const json& data) const {
    const std::uint64_t made = out.pieces.empty() ? 0 : out.pieces.back().after_tokens;
    out.pieces.push_back({event_text(data, name), made});
}

void run_work::emit_text(answer& out) const {
    json one =
        step("message_creation", {{"type", "message_creation"}, {"message_creation", {{"message_id", message_id_}}}});
    emit(out, "thread.run.step.created", one);
    emit(out, "thread.run.step.in_progress", one);
    emit(out, "thread.message.created", message("in_progress", false));
    emit(out, "thread.message.in_progress", message("in_progress", false));
    for (const auto& w : words_) {
        json text{{"value", w}};
        if (&w == &words_.front()) text["annotations"] = json::array();
        const json part{{"index", 0}, {"type", "text"}, {"text", std::move(text)}};
        emit(
            out, "thread.message.delta",
            {{"id", message_id_}, {"object", "thread.message.delta"}, {"delta", {{"content", json::array({part})}}}});
        ++out.pieces.back().after_tokens;
    }
    emit(out, "thread.message.completed", message("completed", true));
    one.update({{"status", "completed"}, {"completed_at", v_.wall()}, {"usage", usage_of_run(usage_)}});
    emit(out, "thread.run.step.completed", one);
}

void run_work::emit_calls(answer& out) const {
    const json one = step("tool_calls", {{"type", "tool_calls"}, {"tool_calls", json::array()}});
    emit(out, "thread.run.step.created", one);
    emit(out, "thread.run.step.in_progress", one);
    const json details{{"type", "tool_calls"}, {"tool_calls", calls_json(true)}};
    emit(out, "thread.run.step.delta",
         {{"id", step_id_}, {"object", "thread.run.step.delta"}, {"delta", {{"step_details", details}}}});
}

answer run_work::as_stream(const json* new_thread) const {
    answer out;
    out.streamed = true;
    out.content_type = "text/event-stream; charset=utf-8";
    if (new_thread != nullptr) emit(out, "thread.created", *new_thread);
    json run = run_;
    if (run["started_at"].is_null()) emit(out, "thread.run.created", run);
    emit(out, "thread.run.queued", run);
    run.update({{"status", "in_progress"}, {"started_at", v_.wall()}});
    emit(out, "thread.run.in_progress", run);
    if (!refused_) calls_.empty() ? emit_text(out) : emit_calls(out);
    run.update(final_members());
    emit(out, "thread.run." + string_or(run, "status", ""), run);
    out.pieces.back().tells_usage = calls_.empty() && !refused_;
    out.pieces.push_back({"event: done\ndata: [DONE]\n\n", out.pieces.back().after_tokens});
    return out;
}

answer run_work::finish(bool stream, const json* new_thread) {
    const duration whole = stream ? duration::zero() : v_.job();
    keep_parts(whole);
    answer out = stream ? as_stream(new_thread) : answer::of(200, run_);
    if (!refused_) out.usage = usage_;
    stored* kept = v_.objects.find(string_or(run_, "id", ""), v_.now);
    if (kept == nullptr) {
        stored s;
        s.of = &run_kind;
        s.parent = string_or(run_, "thread_id", "");
        s.object = run_;
        kept = &v_.objects.keep(std::move(s), v_.now);
    }
    kept->object = run_;
    kept->inside = {{"message", message_id_}, {"step", step_id_}};
    v_.replan(*kept, {{whole / 3, {{"status", "in_progress"}, {"started_at", v_.wall(whole / 3)}}},
                      {whole, final_members()}});
    return out;
}

}  // namespace spillway::sim
