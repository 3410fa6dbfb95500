#include <spillway/http/request_content.hpp>

#include <algorithm>

#include <spillway/base/text.hpp>

#include "bytes.hpp"

namespace spillway::http {
namespace {

// Takes a token off the front; empty when there is none.
std::string_view take_token(std::string_view& s) noexcept {
    std::size_t n = 0;
    while (n < s.size() && bytes::token_table[static_cast<unsigned char>(s[n])]) ++n;
    const auto out = s.substr(0, n);
    s.remove_prefix(n);
    return out;
}

// A quoted string without its quotes. One with escapes is none that we need: what it spells could be read in two
// ways.
bool take_quoted(std::string_view& s, std::string_view& out) noexcept {
    const auto end = s.find('"', 1);
    if (end == std::string_view::npos || s.substr(0, end).find('\\') != std::string_view::npos) return false;
    out = s.substr(1, end - 1);
    s.remove_prefix(end + 1);
    return true;
}

bool take(std::string_view& s, char c) noexcept {
    if (s.empty() || s.front() != c) return false;
    s.remove_prefix(1);
    return true;
}

struct parameter {
    std::string_view name, value;
};

// The next parameter. False: what follows is none.
bool take_parameter(std::string_view& s, parameter& out) noexcept {
    if (!take(s, ';')) return false;
    s = text::trim(s);
    if (s.empty()) return true;  // a semicolon at the end, as some clients write it
    out.name = take_token(s);
    if (out.name.empty() || !take(s, '=')) return false;
    if (!s.empty() && s.front() == '"') return take_quoted(s, out.value);
    out.value = take_token(s);
    return !out.value.empty();
}

bool is_json(std::string_view type, std::string_view subtype) noexcept {
    constexpr std::string_view suffix = "+json";
    if (text::iequals(subtype, "json")) return text::iequals(type, "application") || text::iequals(type, "text");
    return subtype.size() > suffix.size() && text::iequals(subtype.substr(subtype.size() - suffix.size()), suffix);
}

}  // namespace

content_error check_json_type(std::string_view s) noexcept {
    if (s == "application/json") return content_error::none;  // what nearly every client writes
    s = text::trim(s);
    const auto type = take_token(s);
    if (type.empty() || !take(s, '/')) return content_error::malformed;
    const auto subtype = take_token(s);
    if (subtype.empty()) return content_error::malformed;
    bool has_charset = false, utf8 = true;
    for (s = text::trim(s); !s.empty(); s = text::trim(s)) {
        parameter p;
        if (!take_parameter(s, p)) return content_error::malformed;
        if (!text::iequals(p.name, "charset")) continue;
        utf8 =
            utf8 && !has_charset &&
            (text::iequals(p.value, "utf-8") || text::iequals(p.value, "utf8") || text::iequals(p.value, "us-ascii"));
        has_charset = true;
    }
    if (!is_json(type, subtype)) return content_error::not_json;
    return utf8 ? content_error::none : content_error::charset;
}

content_coding coding_of(std::string_view s) noexcept {
    s = text::trim(s);
    if (text::iequals(s, "identity")) return content_coding::identity;
    if (text::iequals(s, "gzip") || text::iequals(s, "x-gzip")) return content_coding::gzip;
    if (text::iequals(s, "zstd")) return content_coding::zstd;
    return content_coding::unknown;
}

}  // namespace spillway::http
