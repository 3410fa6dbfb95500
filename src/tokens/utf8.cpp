#include "utf8.hpp"

#include <cstdint>
#include <cstring>

namespace spillway::tokens {
namespace {

struct sequence {
    std::size_t size;  // bytes that belong together
    bool whole;        // a character; otherwise the bytes are the beginning of one at best
};

sequence sequence_at(std::string_view s, std::size_t at) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[at + i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) return {1, true};
    if (lead < 0xC2 || lead > 0xF4) return {1, false};
    const std::size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    unsigned char low = 0x80,
                  high = 0xBF;  // of the second byte: no overlong form, no surrogate, nothing beyond U+10FFFF
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
    for (std::size_t i = 1; i < size; ++i) {
        if (at + i >= s.size() || byte(i) < low || byte(i) > high) return {i, false};
        low = 0x80;
        high = 0xBF;
    }
    return {size, true};
}

}  // namespace

std::size_t utf8_prefix(std::string_view s) noexcept {
    std::size_t at = 0;
    while (at < s.size()) {
        std::uint64_t word;
        if (at + sizeof word <= s.size()) {
            std::memcpy(&word, s.data() + at, sizeof word);
            if ((word & 0x8080808080808080ULL) == 0) {
                at += sizeof word;
                continue;
            }
        }
        const auto next = sequence_at(s, at);
        if (!next.whole) break;
        at += next.size;
    }
    return at;
}

std::string to_utf8(std::string_view s) {
    std::string out;
    while (!s.empty()) {
        const auto good = utf8_prefix(s);
        out.append(s.substr(0, good));
        s.remove_prefix(good);
        if (s.empty()) break;
        out += "\xEF\xBF\xBD";
        s.remove_prefix(sequence_at(s, 0).size);
    }
    return out;
}

void append_utf8(std::string& out, char32_t c) {
    const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | (c >> shift & 0x3F)); };
    if (c < 0x80) {
        out += static_cast<char>(c);
    } else if (c < 0x800) {
        out += static_cast<char>(0xC0 | c >> 6);
        tail(0);
    } else if (c < 0x10000) {
        out += static_cast<char>(0xE0 | c >> 12);
        tail(6);
        tail(0);
    } else {
        out += static_cast<char>(0xF0 | c >> 18);
        tail(12);
        tail(6);
        tail(0);
    }
}

}  // namespace spillway::tokens
