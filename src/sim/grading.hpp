#pragma once

#include <string>

#include "json_tools.hpp"

namespace spillway::sim {

// `{{ item.a.b }}` in the text is replaced by that member of `values`; what is not there becomes nothing.
std::string filled_in(const std::string& text, const json& values);

// From 0 to 1. A grader of the kind `string_check` compares, all others are content with everything. `values` holds
// `item` and `sample`.
double grade(const json& grader, const json& values);

}  // namespace spillway::sim
