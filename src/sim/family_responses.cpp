#include <algorithm>

#include <spillway/base/text.hpp>

#include "answer_text.hpp"
#include "encrypted_reasoning.hpp"
#include "families.hpp"
#include "input_items.hpp"
#include "kept_answers.hpp"
#include "kinds.hpp"

namespace spillway::sim {
namespace {

// A response in the background is queued, then in progress, then what it was made to be.
void plan_background(visit& v, stored& s, const answer& a) {
    const auto& o = v.x.on->options;
    duration whole = v.job();
    if (a.streamed) whole = o.first_token + o.per_token * static_cast<std::int64_t>(a.usage.completion);
    json end = json::object();
    for (const char* key : {"status", "output", "usage", "incomplete_details", "completed_at"})
        end[key] = s.object[key];
    s.object["status"] = "queued";
    s.object["output"] = json::array();
    for (const char* key : {"usage", "incomplete_details", "completed_at"}) s.object[key] = nullptr;
    s.plan = {{whole / 3, {{"status", "in_progress"}}}, {whole, std::move(end)}};
}

// With its sequence number, as the event's data says it.
std::uint64_t sequence_of(const piece& event) {
    constexpr std::string_view member = "\"sequence_number\":";
    const auto at = event.bytes.find(member);
    if (at == std::string::npos) return 0;
    const std::string_view rest = std::string_view(event.bytes).substr(at + member.size());
    return text::parse_unsigned(rest.substr(0, rest.find_first_not_of("0123456789"))).value_or(0);
}

// The rest of a stream. What the model has not said yet comes at its pace.
answer resume_stream(visit& v, const stored& s) {
    if (s.events.empty())
        return error_answer(400, {}, "This response was not made with stream=true and background=true.",
                            "invalid_request_error");
    const std::string given = v.parameter("starting_after");
    const auto after = text::parse_unsigned(given);
    if (!given.empty() && !after) return invalid("'starting_after' has to be a whole number.", "starting_after");
    answer out;
    out.streamed = true;
    out.content_type = "text/event-stream; charset=utf-8";
    std::uint64_t said = 0;
    if (!s.plan.empty()) v.x.on = v.at.find_deployment(string_or(s.inside, "deployment", ""));
    if (v.x.on != nullptr) {
        const auto& o = v.x.on->options;
        const duration since = v.now - s.made - o.first_token;
        if (since > duration::zero() && o.per_token > duration::zero())
            said = static_cast<std::uint64_t>(since / o.per_token);
    }
    for (const auto& e : s.events) {
        if (after && sequence_of(e) <= *after) continue;
        out.pieces.push_back(e);
        out.pieces.back().after_tokens -= std::min(out.pieces.back().after_tokens, said);
    }
    return out;
}

answer get_response(visit& v) {
    const stored* s = v.named();
    if (s == nullptr || s->of != &response_kind) return v.no_such();
    return v.parameter("stream") == "true" ? resume_stream(v, *s) : answer::of(200, s->object);
}

answer cancel_response(visit& v) {
    stored* s = v.named();
    if (s == nullptr || s->of != &response_kind) return v.no_such();
    if (!true_in(s->object, "background"))
        return error_answer(400, {}, "Cannot cancel a synchronous response.", "invalid_request_error");
    if (!s->plan.empty()) s->object["status"] = "cancelled";
    s->plan.clear();
    return answer::of(200, s->object);
}

answer list_input(visit& v) {
    const stored* s = v.named();
    if (s == nullptr) return v.no_such();
    const json& items = s->inside["input"];
    return page_of(v, {items.begin(), items.end()});
}

json usage_of(std::uint64_t input, std::uint64_t output) {
    return {{"input_tokens", input},
            {"input_tokens_details", {{"cached_tokens", 0}, {"cache_write_tokens", 0}}},
            {"output_tokens", output},
            {"output_tokens_details", {{"reasoning_tokens", 0}}},
            {"total_tokens", input + output}};
}

// What the user said stays, all else becomes one sealed item.
answer compact(visit& v) {
    if (auto refused = refuse_unknown_state(v)) return *refused;
    json output = json::array();
    json before = json::array();
    if (const stored* s = v.objects.find(string_or(v.body(), "previous_response_id", ""), v.now); s != nullptr)
        before = s->inside["input"];
    for (const auto& items : {before, whole_items(v, v.body().value("input", json(nullptr)))})
        for (const auto& item : items)
            if (string_or(item, "role", "") == "user") output.push_back(item);
    const std::string id = v.new_id("cmp_");
    output.push_back(
        {{"id", id}, {"type", "compaction"}, {"encrypted_content", sealed_reasoning(v.at.options().seal(), id)}});
    const std::uint64_t read = prompt_tokens(v.body()) + known_context(v), written = 16;
    answer out = answer::of(200, {{"id", v.new_id("resp_")},
                                  {"object", "response.compaction"},
                                  {"created_at", v.wall()},
                                  {"output", std::move(output)},
                                  {"usage", usage_of(read, written)}});
    out.usage.prompt = read;
    out.usage.completion = written;
    return out;
}

answer count_input(visit& v) {
    if (auto refused = refuse_unknown_state(v)) return *refused;
    return answer::of(
        200, {{"object", "response.input_tokens"}, {"input_tokens", prompt_tokens(v.body()) + known_context(v)}});
}

}  // namespace

void keep_response(visit& v, answer& a) {
    stored s;
    s.of = &response_kind;
    s.object = a.kept;
    const json output = a.kept["output"], input = whole_items(v, v.body().value("input", json(nullptr)));
    s.inside = {{"input", input}, {"tokens", a.usage.total()}, {"deployment", v.x.deployment_name}};
    const bool background = true_in(v.body(), "background");
    duration later{};
    if (background) {
        if (a.streamed) s.events = a.pieces;
        plan_background(v, s, a);
        later = s.plan.back().after;
        if (!a.streamed) a.pieces = answer::of(200, s.object).pieces;
    }
    const std::string id = s.id(), conversation = conversation_in(v.body());
    v.objects.keep(std::move(s), v.now);
    // Items can be referred to by their own ids, too.
    const std::string above = conversation.empty() ? id : conversation;
    const auto keep_item = [&](const json& item, duration appears) {
        stored one;
        one.of = &item_kind;
        one.object = item;
        one.parent = above;
        one.appears = appears;
        v.objects.keep(std::move(one), v.now);
    };
    if (!conversation.empty())
        for (const auto& item : input) keep_item(item, {});
    for (const auto& item : output) keep_item(item, later);
}

void add_responses(way_table& all) {
    all.push_back({"GET", "responses/{}", get_response, &response_kind});
    all.push_back({"DELETE", "responses/{}", delete_one, &response_kind});
    all.push_back({"POST", "responses/{}/cancel", cancel_response, &response_kind});
    all.push_back({"GET", "responses/{}/input_items", list_input, &response_kind});
    all.push_back({"POST", "responses/compact", compact, nullptr, true});
    all.push_back({"POST", "responses/input_tokens", count_input, nullptr, true});
}

}  // namespace spillway::sim
