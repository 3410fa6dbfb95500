#pragma once

#include <string>
#include <string_view>

namespace spillway::sim {

// Reasoning that the client carries: only the instance that made it can open it.
std::string sealed_reasoning(std::string_view instance, std::string_view id);
bool opens_reasoning(std::string_view instance, std::string_view sealed);

}  // namespace spillway::sim
