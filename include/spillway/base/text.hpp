#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

// Small text tools that more than one layer needs. None allocates unless it returns a std::string.
namespace spillway::text {

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool iequals_same_length(std::string_view a, std::string_view b) noexcept;

// Most texts that are compared differ in length or in their first letter: that is seen without a call.
inline bool iequals(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && (a.empty() || (lower(a[0]) == lower(b[0]) && iequals_same_length(a, b)));
}
inline bool istarts_with(std::string_view s, std::string_view prefix) noexcept {
    return s.size() >= prefix.size() && iequals(s.substr(0, prefix.size()), prefix);
}
bool icontains(std::string_view s, std::string_view part) noexcept;

// Takes off spaces and tabs, as HTTP field values want it.
std::string_view trim(std::string_view s) noexcept;

// Decimal digits only, no sign, no space, no overflow.
std::optional<std::uint64_t> parse_unsigned(std::string_view s) noexcept;

// `*` stands for any run of characters, also an empty one; everything else is literal. Linear in practice, never
// exponential.
bool glob_match(std::string_view pattern, std::string_view s) noexcept;

// Of a hexadecimal digit, else -1.
constexpr int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    const char l = static_cast<char>(c | 0x20);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}
std::string to_hex(std::span<const std::uint8_t> bytes);
// False when `hex` is not exactly 2 * out.size() hexadecimal digits.
bool from_hex(std::string_view hex, std::span<std::uint8_t> out) noexcept;

// Compares in a time that depends on the lengths alone.
bool constant_time_equal(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) noexcept;

// FNV-1a; for sticky choices and tables, never for secrets.
constexpr std::uint64_t hash(std::string_view s) noexcept {
    std::uint64_t h = 0xcbf29ce484222325ULL;
    for (const char c : s) h = (h ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL;
    return h;
}
// FNV alone moves the high bits too little for a fair division: this spreads a hash over all bits.
constexpr std::uint64_t mix(std::uint64_t h) noexcept {
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    return h ^ (h >> 33);
}

}  // namespace spillway::text
