#include "name_folding.hpp"

#include <cstdint>

#include <spillway/base/text.hpp>
#include <spillway/base/utf8.hpp>

namespace spillway::http {
namespace {

constexpr bool counts(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

constexpr char other = 1;

// The ASCII character that stands for this one, 0 for what cannot be seen, `other` for everything else.
char to_ascii(char32_t c) noexcept {
    if (c >= 0xFF01 && c <= 0xFF5E) return static_cast<char>(c - 0xFEE0);
    switch (c) {
        case 0x17F: return 's';
        case 0x130:
        case 0x131: return 'i';
        case 0x212A: return 'k';
        case 0xA0:
        case 0xAD:
        case 0x34F:
        case 0x61C:
        case 0x3000:
        case 0xFEFF: return 0;
        default: break;
    }
    const bool unseen = (c >= 0x300 && c <= 0x36F) || (c >= 0x2000 && c <= 0x200F) || (c >= 0x2028 && c <= 0x202F) ||
                        (c >= 0x205F && c <= 0x206F) || (c >= 0xFE00 && c <= 0xFE0F) || (c >= 0x80 && c < 0xA0);
    return unseen ? char{0} : other;
}

}  // namespace

std::string_view fold_name(std::string_view name, std::span<char, longest_folded> out) noexcept {
    std::size_t n = 0;
    while (!name.empty()) {
        const std::size_t length = utf8::length(name);
        if (length == 0) return {};
        std::size_t size = 0;
        char c = length == 1 ? name.front() : to_ascii(utf8::decode(name, 0, size));
        if (c == other && length > 1) return {};
        c = text::lower(c);
        name.remove_prefix(length);
        if (!counts(c)) continue;
        if (n == out.size()) return {};
        out[n++] = c;
    }
    return {out.data(), n};
}

bool is_plain_name(std::string_view name) noexcept {
    for (const char c : name)
        if (!counts(c) && c != '_') return false;
    return true;
}

bool is_folded_form(std::string_view folded, std::string_view name) noexcept {
    std::size_t at = 0;
    for (const char each : name) {
        const char c = text::lower(each);
        if (!counts(c)) continue;
        if (at == folded.size() || folded[at++] != c) return false;
    }
    return at == folded.size();
}

}  // namespace spillway::http
