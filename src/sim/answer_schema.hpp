#pragma once

#include <string>
#include <vector>

#include "answer.hpp"

namespace spillway::sim {

// The schema of structured outputs, or null: free text. `json_object` gives the schema of any object.
const json* answer_schema(const call& c);

// Text in pieces of a few bytes, none of which ends inside a character.
std::vector<std::string> in_pieces(const std::string& text);

}  // namespace spillway::sim
