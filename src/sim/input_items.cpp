#include "input_items.hpp"

#include <algorithm>
#include <set>

#include "answer_text.hpp"
#include "encrypted_reasoning.hpp"
#include "kinds.hpp"

namespace spillway::sim {
namespace {

answer not_found(std::string_view what, const std::string& id) {
    return error_answer(404, {}, std::string(what) + " with id '" + id + "' not found.", "invalid_request_error");
}

// An item that is not there in full is looked up: references, and reasoning without its sealed content.
std::optional<answer> refuse_item(visit& v, const json& item) {
    const std::string type = string_or(item, "type", ""), id = string_or(item, "id", "");
    const json* sealed = find(item, "encrypted_content");
    if ((type == "reasoning" || type == "compaction") && sealed != nullptr && sealed->is_string()) {
        if (opens_reasoning(v.at.options().seal(), sealed->get<std::string>())) return std::nullopt;
        return error_answer(400, "invalid_encrypted_content",
                            "The encrypted content of item " + id + " could not be verified.",
                            "invalid_request_error");
    }
    const bool bare = type.empty() && !id.empty() && find(item, "role") == nullptr;
    if ((bare || type == "item_reference" || type == "reasoning") && !v.objects.has(id, v.now))
        return not_found("Item", id);
    return std::nullopt;
}

void add_calls(const json& items, std::set<std::string>& to) {
    if (!items.is_array()) return;
    for (const auto& item : items)
        if (string_or(item, "type", "").ends_with("_call")) to.insert(string_or(item, "call_id", ""));
}

// Calls of tools in the input and in what came before.
std::set<std::string> known_calls(visit& v, const json& input) {
    std::set<std::string> out;
    add_calls(whole_items(v, input), out);
    for (std::string before = string_or(v.body(), "previous_response_id", ""); !before.empty();) {
        const stored* s = v.objects.find(before, v.now);
        if (s == nullptr) break;
        add_calls(s->object["output"], out);
        add_calls(s->inside.value("input", json::array()), out);
        before = string_or(s->object, "previous_response_id", "");
    }
    if (const std::string conversation = conversation_in(v.body()); !conversation.empty())
        for (const stored* item : v.objects.all(item_kind, conversation, v.now))
            add_calls(json::array({item->object}), out);
    return out;
}

std::optional<answer> refuse_results(visit& v, const json& input) {
    const bool any = std::any_of(input.begin(), input.end(), [](const json& item) {
        return string_or(item, "type", "") == "function_call_output";
    });
    if (!any) return std::nullopt;
    const auto calls = known_calls(v, input);
    for (const auto& item : input)
        if (const std::string call = string_or(item, "call_id", "");
            string_or(item, "type", "") == "function_call_output" && !calls.contains(call))
            return error_answer(400, {}, "No tool call found for function call output with call_id " + call + ".",
                                "invalid_request_error");
    return std::nullopt;
}

json text_part(std::string_view role, const json& text) {
    if (role != "assistant") return {{"type", "input_text"}, {"text", text}};
    return {{"type", "output_text"}, {"text", text}, {"annotations", json::array()}};
}

std::string_view prefix_for(std::string_view type) {
    if (type == "message") return "msg_";
    if (type == "reasoning") return "rs_";
    if (type == "function_call") return "fc_";
    return type == "function_call_output" ? "fco_" : "item_";
}

json whole_item(visit& v, const json& item) {
    const std::string type = string_or(item, "type", "message");
    const bool bare = find(item, "role") == nullptr && find(item, "type") == nullptr;
    if (bare || type == "item_reference" || (type == "reasoning" && find(item, "encrypted_content") == nullptr))
        if (const stored* s = v.objects.find(string_or(item, "id", ""), v.now); s != nullptr) return s->object;
    json out{{"id", string_or(item, "id", "")}, {"type", type}};
    if (out["id"] == "") out["id"] = v.new_id(prefix_for(type));
    out.update(item);
    if (type != "message") {
        if (type.starts_with("function_call") && find(item, "status") == nullptr) out["status"] = "completed";
        return out;
    }
    const std::string role = string_or(item, "role", "user");
    out["role"] = role;
    if (find(item, "status") == nullptr) out["status"] = "completed";
    if (out["content"].is_string()) out["content"] = json::array({text_part(role, out["content"])});
    return out;
}

}  // namespace

std::string conversation_in(const json& body) {
    const json* c = find(body, "conversation");
    if (c == nullptr || c->is_null()) return {};
    return c->is_string() ? c->get<std::string>() : string_or(*c, "id", "");
}

json whole_items(visit& v, const json& input) {
    if (input.is_string())
        return json::array({whole_item(v, {{"type", "message"}, {"role", "user"}, {"content", input}})});
    json out = json::array();
    if (input.is_array())
        for (const auto& item : input)
            if (item.is_object()) out.push_back(whole_item(v, item));
    return out;
}

std::uint64_t known_context(visit& v) {
    if (const stored* s = v.objects.find(string_or(v.body(), "previous_response_id", ""), v.now); s != nullptr)
        return number_or(s->inside, "tokens", 0);
    std::uint64_t tokens = 0;
    if (const std::string conversation = conversation_in(v.body()); !conversation.empty())
        for (const stored* item : v.objects.all(item_kind, conversation, v.now))
            if (const json* content = find(item->object, "content"); content != nullptr)
                tokens += tokens_in(*content);
    return tokens;
}

std::optional<answer> refuse_unknown_state(visit& v) {
    const json& body = v.body();
    const std::string before = string_or(body, "previous_response_id", ""), conversation = conversation_in(body);
    if (!before.empty() && !conversation.empty())
        return error_answer(400, "mutually_exclusive_parameters",
                            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'.",
                            "invalid_request_error");
    if (!before.empty() && v.find(response_kind, before) == nullptr)
        return error_answer(400, "previous_response_not_found",
                            "Previous response with id '" + before + "' not found.", "invalid_request_error");
    const json* named = find(body, "conversation");
    if (named != nullptr && !named->is_null() && v.find(conversation_kind, conversation) == nullptr)
        return not_found("Conversation", conversation);
    if (const json* prompt = find(body, "prompt"); prompt != nullptr && prompt->is_object()) {
        const auto& known = v.at.options().prompts;
        const std::string id = string_or(*prompt, "id", "");
        if (std::find(known.begin(), known.end(), id) == known.end()) return not_found("Prompt", id);
    }
    if (const json* store = find(body, "store"); true_in(body, "background") && store != nullptr && *store == false)
        return invalid("'background' needs 'store' to be true.", "background");
    const json* input = find(body, "input");
    if (input == nullptr || !input->is_array()) return std::nullopt;
    for (const auto& item : *input)
        if (auto refused = refuse_item(v, item)) return refused;
    return refuse_results(v, *input);
}

}  // namespace spillway::sim
