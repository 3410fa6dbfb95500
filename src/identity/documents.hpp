#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include <spillway/base/fault.hpp>

// What the readers of a provider's documents have in common.
namespace spillway::identity {

inline fault unusable(std::string message) {
    return {.code = "ProviderUnusable", .who = origin::upstream, .message = std::move(message)};
}

// Of a member that is a text; empty: there is none.
inline std::string text_of(const nlohmann::json& from, const char* name) {
    const auto at = from.find(name);
    return at != from.end() && at->is_string() ? at->get<std::string>() : std::string();
}

}  // namespace spillway::identity
