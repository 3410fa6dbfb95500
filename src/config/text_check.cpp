#include "text_check.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include <spillway/base/text.hpp>
#include <spillway/base/utf8.hpp>

namespace spillway::config {
namespace {

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
        const std::size_t length = utf8::length(text.substr(i));
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
