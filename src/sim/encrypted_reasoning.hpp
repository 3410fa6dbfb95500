#pragma once

#include <string>
#include <string_view>

namespace spillway::sim {

// Reasoning that the client carries: only an instance with the same key can open it.
std::string sealed_reasoning(std::string_view key, std::string_view id);
bool opens_reasoning(std::string_view key, std::string_view sealed);

}  // namespace spillway::sim
