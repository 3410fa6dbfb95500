#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

// What several parts of the tree are made of.
namespace spillway::config {

// Everything that has a name is kept by name, in the order of names.
template <class T>
using named = std::map<std::string, T, std::less<>>;

// A SHA-256, of a key that a client holds or of a certificate; the key itself is nowhere in the configuration.
struct key_hash {
    std::array<std::uint8_t, 32> bytes{};

    friend auto operator<=>(const key_hash&, const key_hash&) = default;
};

}  // namespace spillway::config
