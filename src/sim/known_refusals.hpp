#pragma once

#include <string>
#include <string_view>

namespace spillway::sim {

// A refusal that users of Azure OpenAI and of gateways before it have met, by a name of ours.
struct known_refusal {
    std::string_view name;
    int status;
    std::string_view code, message;
    std::string_view body{};          // instead of Azure's shape
    std::string_view content_type{};  // empty: JSON
};

// Null: there is none of that name.
const known_refusal* find_refusal(std::string_view name) noexcept;
// All names, for an error message.
std::string refusal_names();

}  // namespace spillway::sim
