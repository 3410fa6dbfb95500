#include <spillway/base/base64.hpp>

#include <cstdint>

namespace spillway::text {
namespace {

int digit_of(char c, char of_62, char of_63) noexcept {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == of_62) return 62;
    if (c == of_63) return 63;
    return -1;
}

std::optional<std::string> decode(std::string_view s, char of_62, char of_63) {
    if (s.size() % 4 == 1) return std::nullopt;
    std::string out;
    out.reserve(s.size() * 3 / 4);
    std::uint32_t held = 0;
    unsigned bits = 0;
    for (const char c : s) {
        const int d = digit_of(c, of_62, of_63);
        if (d < 0) return std::nullopt;
        held = held << 6 | static_cast<std::uint32_t>(d);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        out += static_cast<char>(held >> bits & 0xff);
    }
    if ((held & ((1U << bits) - 1)) != 0) return std::nullopt;
    return out;
}

}  // namespace

std::optional<std::string> from_base64url(std::string_view s) { return decode(s, '-', '_'); }

std::optional<std::string> from_base64(std::string_view s) {
    std::string bare;
    for (const char c : s)
        if (c != '\r' && c != '\n' && c != ' ' && c != '=') bare += c;
    return decode(bare, '+', '/');
}

std::string to_base64url(std::string_view bytes) {
    constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string out;
    std::uint32_t held = 0;
    unsigned bits = 0;
    for (const char c : bytes) {
        held = held << 8 | static_cast<unsigned char>(c);
        for (bits += 8; bits >= 6; bits -= 6) out += digits[held >> (bits - 6) & 63];
    }
    if (bits > 0) out += digits[held << (6 - bits) & 63];
    return out;
}

}  // namespace spillway::text
