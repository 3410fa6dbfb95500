#pragma once

#include <string>
#include <string_view>

namespace spillway::tokens {

// Length of the well-formed part at the front of `s`; s.size() when all of it is UTF-8.
std::size_t utf8_prefix(std::string_view s) noexcept;

// Each maximal part of a broken sequence becomes one U+FFFD, as Unicode recommends and Rust and Python do.
std::string to_utf8(std::string_view s);

void append_utf8(std::string& out, char32_t c);

// The character at `at` of text that is UTF-8 for certain, and its length in `size`.
inline char32_t utf8_at(std::string_view s, std::size_t at, std::size_t& size) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(s[at + i])); };
    const char32_t lead = byte(0);
    if (lead < 0x80) return size = 1, lead;
    if (lead < 0xE0) return size = 2, (lead & 0x1F) << 6 | (byte(1) & 0x3F);
    if (lead < 0xF0) return size = 3, (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    return size = 4, (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
}

}  // namespace spillway::tokens
