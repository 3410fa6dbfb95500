#include <spillway/base/text.hpp>

#include <cstring>

#include <limits>

namespace spillway::text {

bool iequals_same_length(std::string_view a, std::string_view b) noexcept {
    for (std::size_t i = 0; i < a.size(); ++i)
        if (lower(a[i]) != lower(b[i])) return false;
    return true;
}

bool icontains(std::string_view s, std::string_view part) noexcept {
    for (std::size_t i = 0; i + part.size() <= s.size(); ++i)
        if (iequals(s.substr(i, part.size()), part)) return true;
    return false;
}

std::string_view trim(std::string_view s) noexcept {
    while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
    while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
    return s;
}

std::optional<std::uint64_t> parse_unsigned(std::string_view s) noexcept {
    if (s.empty()) return std::nullopt;
    std::uint64_t out = 0;
    for (const char c : s) {
        if (c < '0' || c > '9') return std::nullopt;
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (out > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) return std::nullopt;
        out = out * 10 + digit;
    }
    return out;
}

bool glob_match(std::string_view pattern, std::string_view s) noexcept {
    // Greedy with one point of return: only the last star can ever need to take more.
    std::size_t p = 0, i = 0, star = std::string_view::npos, mark = 0;
    while (i < s.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            mark = i;
        } else if (p < pattern.size() && pattern[p] == s[i]) {
            ++p;
            ++i;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

namespace {
constexpr char digits[] = "0123456789abcdef";

int nibble(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    const char l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

// Length of the well-formed UTF-8 sequence at the front of `s`, 0 when there is none.
std::size_t utf8_length(std::string_view s) noexcept {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
    const unsigned char lead = at(0);
    std::size_t n = 0;
    unsigned char low = 0x80, high = 0xBF;
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) n = 2;
    else if (lead >= 0xE0 && lead <= 0xEF) n = 3;
    else if (lead >= 0xF0 && lead <= 0xF4) n = 4;
    else return 0;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
    if (s.size() < n || at(1) < low || at(1) > high) return 0;
    for (std::size_t i = 2; i < n; ++i)
        if (at(i) < 0x80 || at(i) > 0xBF) return 0;
    return n;
}
}  // namespace

std::string to_hex(std::span<const std::uint8_t> bytes) {
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const auto b : bytes) {
        out += digits[b >> 4];
        out += digits[b & 15];
    }
    return out;
}

bool from_hex(std::string_view hex, std::span<std::uint8_t> out) noexcept {
    if (hex.size() != out.size() * 2) return false;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        out[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return true;
}

bool constant_time_equal(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) noexcept {
    if (a.size() != b.size()) return false;
    std::uint64_t difference = 0;
    std::size_t i = 0;
    for (; i + sizeof difference <= a.size(); i += sizeof difference) {
        std::uint64_t x, y;
        std::memcpy(&x, a.data() + i, sizeof x);
        std::memcpy(&y, b.data() + i, sizeof y);
        difference |= x ^ y;
        // The compiler may not find out that a difference settles the answer.
        asm volatile("" : "+r"(difference));
    }
    for (; i < a.size(); ++i) difference |= static_cast<std::uint64_t>(a[i] ^ b[i]);
    asm volatile("" : "+r"(difference));
    return difference == 0;
}

void append_json_escaped(std::string& out, std::string_view s) {
    while (!s.empty()) {
        const auto c = static_cast<unsigned char>(s.front());
        if (c == '"' || c == '\\') {
            out += '\\';
            out += static_cast<char>(c);
            s.remove_prefix(1);
        } else if (c < 0x20 || c == 0x7F) {
            out += "\\u00";
            out += digits[c >> 4];
            out += digits[c & 15];
            s.remove_prefix(1);
        } else if (const auto n = utf8_length(s); n != 0) {
            out += s.substr(0, n);
            s.remove_prefix(n);
        } else {
            out += "\xEF\xBF\xBD";
            s.remove_prefix(1);
        }
    }
}

}  // namespace spillway::text
