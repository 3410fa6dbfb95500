#pragma once

#include <string>
#include <string_view>

#include <spillway/http/json_scan.hpp>

// Walks JSON without building a tree: values stay views of the body. Everything below stands inside an object that
// scan_json_object has accepted, so it is JSON and of bounded depth.
namespace spillway::tokens {

constexpr bool is_json_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

inline http::json_kind kind_of(std::string_view raw) noexcept {
    using enum http::json_kind;
    switch (raw.empty() ? '\0' : raw.front()) {
        case '\0': return absent;
        case '"': return string;
        case '{': return object;
        case '[': return array;
        case 't': return true_value;
        case 'f': return false_value;
        case 'n': return null;
        default: return number;
    }
}

// Inside of a string value, still escaped.
inline std::string_view inside(std::string_view raw) noexcept { return raw.substr(1, raw.size() - 2); }

// Calls `f` with each element of an array as spelled. Linear; no recursion.
template <class F>
void for_each_element(std::string_view array, F&& f) {
    const auto body = inside(array);
    std::size_t begin = 0, depth = 0;
    const auto element = [&](std::size_t end) {
        auto raw = body.substr(begin, end - begin);
        while (!raw.empty() && is_json_space(raw.front())) raw.remove_prefix(1);
        while (!raw.empty() && is_json_space(raw.back())) raw.remove_suffix(1);
        if (!raw.empty()) f(raw);
        begin = end + 1;
    };
    for (std::size_t at = 0; at < body.size(); ++at) {
        const char c = body[at];
        if (c == '"') {
            for (++at; at < body.size() && body[at] != '"'; ++at)
                if (body[at] == '\\') ++at;
        } else if (c == '[' || c == '{') {
            ++depth;
        } else if (c == ']' || c == '}') {
            --depth;
        } else if (c == ',' && depth == 0) {
            element(at);
        }
    }
    element(body.size());
}

// Without white space between the values: models are not shown how a client indents.
std::string compact(std::string_view raw);

}  // namespace spillway::tokens
