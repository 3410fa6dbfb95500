#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <spillway/base/text.hpp>

// Percent-encoding (RFC 3986). A plus sign is a plus sign.
namespace spillway::percent {

// Letters, digits, - . _ ~: what needs no escape anywhere.
constexpr bool unreserved(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

// The byte that the escape whose percent sign stands at `at` means; -1: it is none.
constexpr int escaped_byte(std::string_view s, std::size_t at) noexcept {
    if (s.size() - at < 3) return -1;
    const int high = text::hex_value(s[at + 1]), low = text::hex_value(s[at + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// Appends `raw` with everything escaped that is not unreserved.
void append_encoded(std::string& out, std::string_view raw);
// The same into `out`; nothing when it has too little room.
std::optional<std::string_view> encode(std::string_view raw, std::span<char> out) noexcept;

// `s` itself when nothing is escaped, else a view of `out`. Nothing when an escape is wrong, or `out` is smaller than
// `s` and needed.
std::optional<std::string_view> decode(std::string_view s, std::span<char> out) noexcept;
// Nothing when an escape is wrong; then no part of `s` was copied, which may be a password.
std::optional<std::string> decoded(std::string_view s);
// A percent sign that begins no escape stays as it is.
std::string decoded_leniently(std::string_view s);

}  // namespace spillway::percent
