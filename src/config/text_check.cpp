#include "text_check.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include <spillway/base/text.hpp>

namespace spillway::config {
namespace {

// Length of the UTF-8 sequence at the start of `s`, 0 when it is none (overlong, surrogate, cut off, too large).
std::size_t utf8_length(std::string_view s) noexcept {
    const auto at = [&](std::size_t i) { return i < s.size() ? static_cast<std::uint8_t>(s[i]) : std::uint8_t{0}; };
    const auto tail = [&](std::size_t i) { return (at(i) & 0xC0) == 0x80; };
    const std::uint8_t c = at(0);
    if (c < 0x80) return 1;
    if (c < 0xC2) return 0;
    if (c < 0xE0) return tail(1) ? 2 : 0;
    if (c < 0xF0) {
        const bool bad = (c == 0xE0 && at(1) < 0xA0) || (c == 0xED && at(1) >= 0xA0);
        return !bad && tail(1) && tail(2) ? 3 : 0;
    }
    const bool bad = c > 0xF4 || (c == 0xF0 && at(1) < 0x90) || (c == 0xF4 && at(1) >= 0x90);
    return !bad && tail(1) && tail(2) && tail(3) ? 4 : 0;
}

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

}  // namespace

bool is_clean_text(std::string_view s) noexcept { return std::none_of(s.begin(), s.end(), is_control); }

bool check_bytes(std::string_view& text, issue_sink& issues) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
        issues.error({1, 1}, {}, "the file is UTF-16", "save it as UTF-8");
        return false;
    }
    mark at{1, 1};
    bool indenting = true;
    for (std::size_t i = 0; i < text.size();) {
        const char c = text[i];
        const std::size_t length = utf8_length(text.substr(i));
        if (length == 0) {
            issues.error(at, {}, "a byte is not UTF-8", "save the file as UTF-8");
            return false;
        }
        if (c == '\t' && indenting) {
            issues.error(at, {}, "a tab indents this line", "indent with spaces");
            return false;
        }
        if (is_control(c) && c != '\n' && c != '\r' && c != '\t') {
            issues.error(at, {}, "a control character stands here", "remove it");
            return false;
        }
        indenting = c == '\n' || (indenting && c == ' ');
        if (c == '\n') at = {at.line + 1, 1};
        else ++at.column;
        i += length;
    }
    return true;
}

std::string content_hash(std::string_view bytes) {
    // Two independent walks: FNV-1a, and one that mixes the position in.
    const std::uint64_t a = text::hash(bytes);
    std::uint64_t b = bytes.size() * 0x9E3779B97F4A7C15ULL;
    for (const char c : bytes) {
        b = (b ^ static_cast<std::uint8_t>(c)) * 0xFF51AFD7ED558CCDULL;
        b ^= b >> 29;
    }
    std::array<std::uint8_t, 16> out{};
    for (std::size_t i = 0; i < 8; ++i) {
        out[i] = static_cast<std::uint8_t>(a >> (56 - 8 * i));
        out[8 + i] = static_cast<std::uint8_t>(b >> (56 - 8 * i));
    }
    return text::to_hex(out);
}

}  // namespace spillway::config
