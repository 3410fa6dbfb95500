#include "tool_calls.hpp"

#include "answer_schema.hpp"
#include "answer_text.hpp"
#include "schema_value.hpp"

namespace spillway::sim {
namespace {

// Of a tool: on chat below `function`, in Responses beside `type`. Null: a tool of another kind.
const json* function_of(const call& c, const json& tool) {
    if (string_or(tool, "type", "") != "function") return nullptr;
    return c.op == operation::chat ? find(tool, "function") : &tool;
}

bool ends_with_result(const call& c) {
    const json* turns = find(*c.body, c.op == operation::chat ? "messages" : "input");
    if (turns == nullptr || !turns->is_array() || turns->empty()) return false;
    const json& last = turns->back();
    return c.op == operation::chat ? string_or(last, "role", "") == "tool"
                                   : string_or(last, "type", "") == "function_call_output";
}

std::string wanted_name(const call& c, const json& choice) {
    if (!choice.is_object()) return {};
    const json* inner = c.op == operation::chat ? find(choice, "function") : &choice;
    return inner != nullptr ? string_or(*inner, "name", "") : std::string();
}

}  // namespace

std::vector<tool_call> tool_calls_for(const call& c) {
    if (c.op != operation::chat && c.op != operation::responses) return {};
    const json* tools = find(*c.body, "tools");
    if (tools == nullptr || !tools->is_array() || ends_with_result(c)) return {};
    const json* choice = find(*c.body, "tool_choice");
    if (choice != nullptr && *choice == json("none")) return {};
    const bool must = choice != nullptr && *choice != json("auto");
    if (!must && answer_schema(c) != nullptr) return {};
    const std::string name = choice != nullptr ? wanted_name(c, *choice) : std::string();
    for (const auto& tool : *tools) {
        const json* f = function_of(c, tool);
        if (f == nullptr || (!name.empty() && string_or(*f, "name", "") != name)) continue;
        const json* parameters = find(*f, "parameters");
        const json arguments = parameters != nullptr ? value_for(*parameters, prompt_hash(*c.body)) : json::object();
        return {{"call_" + c.id, string_or(*f, "name", ""), to_text(arguments)}};
    }
    return {};
}

}  // namespace spillway::sim
