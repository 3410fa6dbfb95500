#include <spillway/base/percent.hpp>

namespace spillway::percent {
namespace {

constexpr char upper_hex[] = "0123456789ABCDEF";

// Hands out byte after byte; false when an escape is wrong and `lenient` is not set.
template <class Put>
bool walk(std::string_view s, bool lenient, Put put) {
    for (std::size_t i = 0; i < s.size(); ++i) {
        const int v = s[i] == '%' ? escaped_byte(s, i) : -1;
        if (v < 0 && s[i] == '%' && !lenient) return false;
        put(v < 0 ? s[i] : static_cast<char>(v));
        i += v < 0 ? 0 : 2;
    }
    return true;
}

}  // namespace

void append_encoded(std::string& out, std::string_view raw) {
    for (const char c : raw) {
        if (unreserved(c)) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += upper_hex[byte >> 4];
        out += upper_hex[byte & 15];
    }
}

std::optional<std::string_view> encode(std::string_view raw, std::span<char> out) noexcept {
    std::size_t n = 0;
    for (const char c : raw) {
        const std::size_t needed = unreserved(c) ? 1 : 3;
        if (out.size() - n < needed) return std::nullopt;
        if (needed == 1) {
            out[n++] = c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out[n++] = '%';
            out[n++] = upper_hex[byte >> 4];
            out[n++] = upper_hex[byte & 15];
        }
    }
    return std::string_view(out.data(), n);
}

std::optional<std::string_view> decode(std::string_view s, std::span<char> out) noexcept {
    if (s.find('%') == std::string_view::npos) return s;
    if (out.size() < s.size()) return std::nullopt;
    std::size_t n = 0;
    if (!walk(s, false, [&](char c) { out[n++] = c; })) return std::nullopt;
    return std::string_view(out.data(), n);
}

std::optional<std::string> decoded(std::string_view s) {
    std::size_t size = 0;
    if (!walk(s, false, [&](char) { ++size; })) return std::nullopt;
    std::string out;
    out.reserve(size);
    walk(s, false, [&](char c) { out += c; });
    return out;
}

std::string decoded_leniently(std::string_view s) {
    std::string out;
    out.reserve(s.size());
    walk(s, true, [&](char c) { out += c; });
    return out;
}

}  // namespace spillway::percent
