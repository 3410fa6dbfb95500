#include "escaped.hpp"

#include <algorithm>
#include <optional>

#include <spillway/base/text.hpp>
#include <spillway/base/utf8.hpp>

namespace spillway::tokens {
namespace {

// The four digits of `\uXXXX` at `at`.
std::optional<char32_t> unit_at(std::string_view s, std::size_t at) noexcept {
    if (at > s.size() || s.size() - at < 6 || s[at] != '\\' || s[at + 1] != 'u') return std::nullopt;
    char32_t out = 0;
    for (const char c : s.substr(at + 2, 4)) {
        const int digit = text::hex_value(c);
        if (digit < 0) return std::nullopt;
        out = out << 4 | static_cast<char32_t>(digit);
    }
    return out;
}

constexpr bool is_high(char32_t c) noexcept { return c >= 0xD800 && c < 0xDC00; }
constexpr bool is_low(char32_t c) noexcept { return c >= 0xDC00 && c < 0xE000; }

char short_escape(char c) noexcept {
    switch (c) {
        case 'n': return '\n';
        case 't': return '\t';
        case 'r': return '\r';
        case 'b': return '\b';
        case 'f': return '\f';
        case '"':
        case '\\':
        case '/': return c;
        default: return '\0';
    }
}

}  // namespace

std::string unescape(std::string_view raw) {
    std::string out;
    out.reserve(raw.size());
    for (std::size_t at = 0; at < raw.size();) {
        const auto stop = std::min(raw.find('\\', at), raw.size());
        out.append(raw.substr(at, stop - at));
        at = stop;
        if (at == raw.size()) break;
        if (auto unit = unit_at(raw, at)) {
            at += 6;
            if (is_high(*unit)) {
                const auto low = unit_at(raw, at);
                if (low && is_low(*low)) {
                    at += 6;
                    utf8::append(out, 0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00));
                    continue;
                }
            }
            utf8::append(out, is_high(*unit) || is_low(*unit) ? U'\uFFFD' : *unit);
            continue;
        }
        const char c = at + 1 < raw.size() ? short_escape(raw[at + 1]) : '\0';
        out += c != '\0' ? c : '\\';
        at += c != '\0' ? 2 : 1;
    }
    return out;
}

}  // namespace spillway::tokens
