#pragma once

#include <string_view>

#include <spillway/base/fault.hpp>
#include <spillway/http/id_walker.hpp>

// Where the API has ids of objects that an instance keeps, in requests and in answers.
namespace spillway::core {

// Members that hold them, wherever they stand; `encrypted_content` is reasoning, which gets a mark in front.
extern const http::id_table object_members;

// What a member of the table says: a reference has to be proved before the request goes on; the `id` of an item that
// a client repeats with its content need not be one of ours; reasoning has a mark of its own. A `prompt` that is a
// string is a text, and only as an object it has an id.
enum class id_kind : std::uint8_t { reference, own_id, reasoning, text };
id_kind kind_of_member(int member, int parent) noexcept;

bool names_previous_response(int member) noexcept;

// Whether a value has the form of an id that an instance has given: `resp_...`, `file-...`. Ids of tool calls are the
// model's and stay as they are.
bool is_object_id(std::string_view value) noexcept;

// Query parameters that hold ids; the name as spelled, perhaps with escapes.
bool param_holds_id(std::string_view raw_name) noexcept;

fault object_not_found(std::string_view where);
// In Azure's words, which clients look for. `id` as the client wrote it; empty: it is no plain id.
fault previous_response_not_found(std::string_view id);
// The same: its mark is another owner's, or not whole.
fault reasoning_not_verified();
fault objects_apart();
fault object_gone();
fault object_elsewhere(std::string_view deployment);
fault lists_not_served();

}  // namespace spillway::core
