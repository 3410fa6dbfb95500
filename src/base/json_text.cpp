#include <spillway/base/json_text.hpp>

#include <array>

#include <spillway/base/utf8.hpp>

namespace spillway::text {
namespace {

constexpr char lower_hex[] = "0123456789abcdef";

// ASCII that stands in a JSON string as it is.
constexpr auto plain_table = [] {
    std::array<bool, 256> t{};
    for (std::size_t c = 0x20; c < 0x7F; ++c) t[c] = c != '"' && c != '\\';
    return t;
}();

std::size_t plain_length(std::string_view s) noexcept {
    std::size_t n = 0;
    while (n < s.size() && plain_table[static_cast<unsigned char>(s[n])]) ++n;
    return n;
}

}  // namespace

void append_json_escaped(std::string& out, std::string_view s) {
    while (!s.empty()) {
        // Nearly everything is plain: it is copied in one piece.
        std::size_t n = plain_length(s);
        if (n == 0 && static_cast<unsigned char>(s.front()) >= 0x80) n = utf8::length(s);
        if (n != 0) {
            out += s.substr(0, n);
            s.remove_prefix(n);
            continue;
        }
        const auto c = static_cast<unsigned char>(s.front());
        if (c >= 0x80) {
            out += utf8::replacement;
        } else if (c == '"' || c == '\\') {
            out += '\\';
            out += static_cast<char>(c);
        } else {
            out += "\\u00";
            out += lower_hex[c >> 4];
            out += lower_hex[c & 15];
        }
        s.remove_prefix(1);
    }
}

void append_json_string(std::string& out, std::string_view s) {
    out += '"';
    append_json_escaped(out, s);
    out += '"';
}

void append_json_member(std::string& out, std::string_view name, std::string_view value) {
    if (!out.empty() && out.back() != '{') out += ',';
    append_json_string(out, name);
    out += ':';
    append_json_string(out, value);
}

}  // namespace spillway::text
