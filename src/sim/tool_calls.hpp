#pragma once

#include <string>
#include <vector>

#include "answer.hpp"

namespace spillway::sim {

struct tool_call {
    std::string id;         // call_...
    std::string name;       // of the function
    std::string arguments;  // JSON as text
    std::uint64_t tokens() const noexcept { return (name.size() + arguments.size() + 3) / 4; }
};

// The calls that the model answers with. It calls the function that `tool_choice` names, else the first one, as long
// as the conversation does not end with the result of a tool; `tool_choice: none` and an answer by schema forbid it.
// Arguments follow from the function's parameters.
std::vector<tool_call> tool_calls_for(const call& c);

}  // namespace spillway::sim
