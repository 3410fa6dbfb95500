#include <spillway/base/utf8.hpp>

#include <cstdint>
#include <cstring>

namespace spillway::utf8 {
namespace {

// Of a sequence that length() refuses: how many of its bytes could have begun a character, at least 1.
std::size_t broken_length(std::string_view s) noexcept {
    // Filled up with continuation bytes, so that length() tells how far the bytes that are there go along with it.
    for (std::size_t n = 3; n > 1; --n) {
        if (s.size() < n) continue;
        char filled[] = {s[0], s[1], n > 2 ? s[2] : '\x80', '\x80'};
        if (length({filled, sizeof filled}) > n) return n;
    }
    return 1;
}

}  // namespace

std::size_t encode(char32_t c, char* out) noexcept {
    const auto put = [&](std::size_t i, char32_t v) { out[i] = static_cast<char>(v); };
    if (c < 0x80) {
        put(0, c);
        return 1;
    }
    if (c < 0x800) {
        put(0, 0xC0 | c >> 6);
        put(1, 0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        put(0, 0xE0 | c >> 12);
        put(1, 0x80 | (c >> 6 & 63));
        put(2, 0x80 | (c & 63));
        return 3;
    }
    put(0, 0xF0 | c >> 18);
    put(1, 0x80 | (c >> 12 & 63));
    put(2, 0x80 | (c >> 6 & 63));
    put(3, 0x80 | (c & 63));
    return 4;
}

void append(std::string& out, char32_t c) {
    char room[4];
    out.append(room, encode(c, room));
}

std::size_t prefix(std::string_view s) noexcept {
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
        const auto n = length(s.substr(at));
        if (n == 0) break;
        at += n;
    }
    return at;
}

std::string repaired(std::string_view s) {
    std::string out;
    out.reserve(s.size());
    for (;;) {
        const auto good = prefix(s);
        out.append(s.substr(0, good));
        s.remove_prefix(good);
        if (s.empty()) return out;
        out += replacement;
        s.remove_prefix(broken_length(s));
    }
}

}  // namespace spillway::utf8
