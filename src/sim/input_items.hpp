#pragma once

#include <optional>
#include <string_view>

#include "answer.hpp"
#include "object_store.hpp"

namespace spillway::sim {

// Nothing, or the refusal of a Responses request that names what this instance does not have: an earlier response, a
// conversation, an item by its id, or reasoning that another instance has sealed.
std::optional<answer> refuse_unknown_state(const json& body, std::string_view instance, const object_store& objects);

}  // namespace spillway::sim
