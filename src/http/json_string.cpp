#include <spillway/base/text.hpp>
#include <spillway/base/utf8.hpp>
#include <spillway/http/json_scan.hpp>

namespace spillway::http {
namespace {

// Four hexadecimal digits at `at`, or -1.
int four_digits(std::string_view s, std::size_t at) noexcept {
    if (s.size() - at < 4) return -1;
    int v = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        const int d = text::hex_value(s[at + i]);
        if (d < 0) return -1;
        v = v * 16 + d;
    }
    return v;
}

char simple_escape(char c) noexcept {
    switch (c) {
        case 'b': return '\b';
        case 'f': return '\f';
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        case '"':
        case '\\':
        case '/': return c;
        default: return 0;
    }
}

}  // namespace

std::optional<std::string_view> decode_json_string(std::string_view raw, std::span<char> out) noexcept {
    if (raw.size() < 2 || raw.front() != '"' || raw.back() != '"') return std::nullopt;
    const auto s = raw.substr(1, raw.size() - 2);
    if (s.find('\\') == std::string_view::npos) return s;
    // What an escape stands for is never longer than the escape.
    if (out.size() < s.size()) return std::nullopt;
    std::size_t n = 0;
    for (std::size_t i = 0; i < s.size();) {
        if (s[i] != '\\') {
            out[n++] = s[i++];
            continue;
        }
        if (++i == s.size()) return std::nullopt;
        if (s[i] != 'u') {
            const char c = simple_escape(s[i++]);
            if (c == 0) return std::nullopt;
            out[n++] = c;
            continue;
        }
        const int first = four_digits(s, ++i);
        if (first < 0) return std::nullopt;
        i += 4;
        auto c = static_cast<std::uint32_t>(first);
        if (c >= 0xDC00 && c <= 0xDFFF) return std::nullopt;
        if (c >= 0xD800 && c <= 0xDBFF) {
            if (s.substr(i, 2) != "\\u") return std::nullopt;
            const int second = four_digits(s, i + 2);
            if (second < 0xDC00 || second > 0xDFFF) return std::nullopt;
            c = 0x10000 + ((c - 0xD800) << 10) + (static_cast<std::uint32_t>(second) - 0xDC00);
            i += 6;
        }
        n += utf8::encode(c, out.data() + n);
    }
    return std::string_view(out.data(), n);
}

void append_replaced(std::string& out, std::string_view body, std::size_t offset, std::size_t length,
                     std::string_view value) {
    out.append(body.substr(0, offset)).append(value).append(body.substr(offset + length));
}

}  // namespace spillway::http
