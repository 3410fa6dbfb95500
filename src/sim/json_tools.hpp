#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace spillway::sim {

// Members keep their order, so that an answer looks like the one that it imitates.
using json = nlohmann::ordered_json;

// The member of that name, or nullptr; also when `from` is no object.
inline const json* find(const json& from, const char* key) {
    if (!from.is_object()) return nullptr;
    const auto at = from.find(key);
    return at == from.end() ? nullptr : &*at;
}

inline std::string string_or(const json& from, const char* key, std::string_view otherwise) {
    const json* j = find(from, key);
    return j != nullptr && j->is_string() ? j->get<std::string>() : std::string(otherwise);
}

inline std::uint64_t number_or(const json& from, const char* key, std::uint64_t otherwise) {
    const json* j = find(from, key);
    return j != nullptr && j->is_number_unsigned() ? j->get<std::uint64_t>() : otherwise;
}

inline bool true_in(const json& from, const char* key) {
    const json* j = find(from, key);
    return j != nullptr && j->is_boolean() && j->get<bool>();
}

// Compact text; bytes that are not UTF-8 become U+FFFD, for request bodies may hold anything.
inline std::string to_text(const json& j) { return j.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace spillway::sim
