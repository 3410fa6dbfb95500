#pragma once

#include <optional>

#include "visit.hpp"

namespace spillway::sim {

// Nothing, or the refusal of a Responses request that names what this instance does not have: an earlier response, a
// conversation, a prompt, an item by its id, the call that a tool's result belongs to, or reasoning that another
// instance has sealed.
std::optional<answer> refuse_unknown_state(visit& v);

// The id in `conversation`, which may be text or an object; empty: none.
std::string conversation_in(const json& body);
// `input`, or any list of items, in full: with ids, references replaced by what they refer to.
json whole_items(visit& v, const json& input);
// Tokens of what came before and lives here: the earlier response or the conversation.
std::uint64_t known_context(visit& v);

}  // namespace spillway::sim
