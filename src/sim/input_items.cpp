#include "input_items.hpp"

#include "encrypted_reasoning.hpp"

namespace spillway::sim {
namespace {

answer no_such_item(const std::string& id) {
    return error_answer(404, {}, "Item with id '" + id + "' not found.", "invalid_request_error");
}

// An item that is not there in full is looked up: references, and reasoning without its sealed content.
std::optional<answer> refuse_item(const json& item, std::string_view instance, const object_store& objects) {
    const std::string type = string_or(item, "type", ""), id = string_or(item, "id", "");
    const json* sealed = find(item, "encrypted_content");
    if (type == "reasoning" && sealed != nullptr && sealed->is_string()) {
        if (opens_reasoning(instance, sealed->get<std::string>())) return std::nullopt;
        return error_answer(400, "invalid_encrypted_content",
                            "The encrypted content of item " + id + " could not be verified.",
                            "invalid_request_error");
    }
    const bool bare = type.empty() && !id.empty() && find(item, "role") == nullptr;
    if ((bare || type == "item_reference" || type == "reasoning") && !objects.has(id)) return no_such_item(id);
    return std::nullopt;
}

}  // namespace

std::optional<answer> refuse_unknown_state(const json& body, std::string_view instance, const object_store& objects) {
    if (const std::string before = string_or(body, "previous_response_id", "");
        !before.empty() && !objects.has(before))
        return error_answer(400, "previous_response_not_found",
                            "Previous response with id '" + before + "' not found.", "invalid_request_error");
    if (const json* conversation = find(body, "conversation"); conversation != nullptr && !conversation->is_null()) {
        const std::string id =
            conversation->is_string() ? conversation->get<std::string>() : string_or(*conversation, "id", "");
        if (!objects.has(id))
            return error_answer(404, {}, "Conversation with id '" + id + "' not found.", "invalid_request_error");
    }
    const json* input = find(body, "input");
    if (input == nullptr || !input->is_array()) return std::nullopt;
    for (const auto& item : *input)
        if (auto refused = refuse_item(item, instance, objects)) return refused;
    return std::nullopt;
}

}  // namespace spillway::sim
