#pragma once

#include <string_view>

#include <spillway/base/text.hpp>

#include "bytes.hpp"

// What follows a media type or a disposition: `; name=value; name="value"`. Each function takes what it reads off the
// front.
namespace spillway::http::parameters {

// Empty when there is none.
inline std::string_view take_token(std::string_view& s) noexcept {
    std::size_t n = 0;
    while (n < s.size() && bytes::token_table[static_cast<unsigned char>(s[n])]) ++n;
    const auto out = s.substr(0, n);
    s.remove_prefix(n);
    return out;
}

inline bool take(std::string_view& s, char c) noexcept {
    if (s.empty() || s.front() != c) return false;
    s.remove_prefix(1);
    return true;
}

struct parameter {
    std::string_view name, value;  // without quotes, as spelled
    bool quoted{false};
    bool escaped{false};  // a backslash is in it: what it says could be read in two ways
};

// False: it has no end.
inline bool take_quoted(std::string_view& s, parameter& out) noexcept {
    std::size_t n = 1;
    for (; n < s.size() && s[n] != '"'; ++n) {
        if (s[n] != '\\') continue;
        out.escaped = true;
        ++n;
    }
    if (n >= s.size()) return false;
    out.quoted = true;
    out.value = s.substr(1, n - 1);
    s.remove_prefix(n + 1);
    return true;
}

// The next parameter; without a name where a semicolon stands at the end, as some clients write it. False: what
// follows is none.
inline bool take_parameter(std::string_view& s, parameter& out) noexcept {
    out = {};
    if (!take(s, ';')) return false;
    s = text::trim(s);
    if (s.empty()) return true;
    out.name = take_token(s);
    if (out.name.empty() || !take(s, '=')) return false;
    if (!s.empty() && s.front() == '"') return take_quoted(s, out);
    out.value = take_token(s);
    return !out.value.empty();
}

}  // namespace spillway::http::parameters
