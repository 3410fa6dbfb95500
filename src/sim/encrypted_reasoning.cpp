#include "encrypted_reasoning.hpp"

#include <spillway/base/base64.hpp>
#include <spillway/base/text.hpp>

namespace spillway::sim {
namespace {

// What the real thing begins with. It is followed by the id, a mark and a check over id and key.
constexpr std::string_view beginning = "gAAAAAB";

std::string check_of(std::string_view key, std::string_view id) {
    return std::to_string(text::hash(std::string(key) + "\n" + std::string(id)));
}

}  // namespace

std::string sealed_reasoning(std::string_view key, std::string_view id) {
    return std::string(beginning) + text::to_base64url(std::string(id) + "\n" + check_of(key, id));
}

bool opens_reasoning(std::string_view key, std::string_view sealed) {
    if (!sealed.starts_with(beginning)) return false;
    const auto inside = text::from_base64url(sealed.substr(beginning.size()));
    if (!inside) return false;
    const auto mark = inside->find('\n');
    if (mark == std::string::npos) return false;
    return inside->substr(mark + 1) == check_of(key, inside->substr(0, mark));
}

}  // namespace spillway::sim
