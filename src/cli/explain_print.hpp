#pragma once

#include <nlohmann/json.hpp>

namespace spillway::cli {

// What server::explain_text() told, for people.
void print_explanation(const nlohmann::json& told);

}  // namespace spillway::cli
