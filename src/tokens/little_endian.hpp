#pragma once

#include <cstddef>
#include <string_view>

namespace spillway::tokens {

// The number at `at`, least significant byte first; the caller knows that it is there.
template <class T>
T little_endian(std::string_view data, std::size_t at) noexcept {
    T out = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
        out |= static_cast<T>(static_cast<T>(static_cast<unsigned char>(data[at + i])) << (8 * i));
    return out;
}

}  // namespace spillway::tokens
