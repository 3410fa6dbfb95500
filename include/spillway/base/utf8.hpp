#pragma once

#include <cstddef>
#include <string>
#include <string_view>

// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF. What checks or decodes it
// stands here, except for whole request bodies: http/utf8.hpp checks those 32 bytes at a time.
namespace spillway::utf8 {

// U+FFFD, which stands for what cannot be read.
inline constexpr std::string_view replacement = "\xEF\xBF\xBD";

// Length of the well-formed sequence at the front of `s` (not empty), 0 when there is none.
inline std::size_t length(std::string_view s) noexcept {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
    const unsigned char lead = at(0);
    if (lead < 0x80) return 1;
    const std::size_t n = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || s.size() < n) return 0;
    // Overlong forms, surrogates and values past U+10FFFF all show in the second byte.
    const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (at(1) < low || at(1) > high) return 0;
    for (std::size_t i = 2; i < n; ++i)
        if (at(i) < 0x80 || at(i) > 0xBF) return 0;
    return n;
}

// The character at `at` of text that is UTF-8 for certain, and its length in `size`.
inline char32_t decode(std::string_view s, std::size_t at, std::size_t& size) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(s[at + i])); };
    const char32_t lead = byte(0);
    if (lead < 0x80) return size = 1, lead;
    if (lead < 0xE0) return size = 2, (lead & 0x1F) << 6 | (byte(1) & 0x3F);
    if (lead < 0xF0) return size = 3, (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    return size = 4, (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
}

// Writes the character (a Unicode scalar value) to `out`, which has room for four bytes; its length.
std::size_t encode(char32_t c, char* out) noexcept;
void append(std::string& out, char32_t c);

// Length of the well-formed part at the front of `s`; s.size() when all of it is UTF-8.
std::size_t prefix(std::string_view s) noexcept;
inline bool valid(std::string_view s) noexcept { return prefix(s) == s.size(); }

// Each maximal part of a broken sequence becomes one U+FFFD, as Unicode recommends and Rust and Python do.
std::string repaired(std::string_view s);

}  // namespace spillway::utf8
