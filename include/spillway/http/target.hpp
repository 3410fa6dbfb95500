#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <spillway/base/percent.hpp>

namespace spillway::http {

struct target_parts {
    std::string_view path;
    std::string_view query;  // without the '?'
    bool has_query{false};   // tells "/a?" from "/a"
};
target_parts split_target(std::string_view target) noexcept;

enum class path_error : std::uint8_t {
    none,
    not_absolute,       // does not begin with '/'
    bad_character,      // control, blank, non-ASCII, backslash, '?' or '#'
    bad_escape,         // '%' without two hexadecimal digits, or escaped bytes that are not UTF-8
    escaped_character,  // %2f, %5c, %25, or an escaped control character
    dot_segment,        // "." or ".." in any spelling
    empty_segment,      // "//"
};
// The path without a slash doubled at its very beginning and without one at its very end: both come from endpoints
// that are copied with a slash and then joined with a path. Nothing else is mended.
std::string_view trim_slashes(std::string_view path) noexcept;
// Whether a path means the same to every reader: route only what passes. `name` is the part of `path`, if any, that
// is a name: there an escaped slash belongs to the name and separates nothing, unless what stands around it would be
// a path of its own (an empty, "." or ".." piece).
path_error check_path(std::string_view path, std::string_view name = {}) noexcept;
std::string_view describe(path_error e) noexcept;

// Decodes %XX in one segment or value; percent.hpp has the terms.
inline std::optional<std::string_view> decode_segment(std::string_view segment, std::span<char> out) noexcept {
    return percent::decode(segment, out);
}

struct query_param {
    std::string_view name;   // as spelled
    std::string_view value;  // as spelled; empty also when there is no '='
    std::string_view whole;  // name=value
};

// for (query_cursor c(query); c.next(p);) ...
class query_cursor {
public:
    explicit query_cursor(std::string_view query) noexcept : rest_(query), more_(!query.empty()) {}
    bool next(query_param& out) noexcept;

private:
    std::string_view rest_;
    bool more_;
};

// Whether the parameter is called `name` once escapes are decoded, in any case of letters (api%2Dkey is api-key).
bool param_is(const query_param& p, std::string_view name) noexcept;

// Raw value of the first parameter of that name, if there is one; `count` gets how many there are.
std::optional<std::string_view> find_param(std::string_view query, std::string_view name,
                                           std::size_t* count = nullptr) noexcept;

// Parameters that carry a client's key and never leave the house.
inline constexpr std::string_view secret_params[] = {"api-key", "subscription-key", "authorization", "access_token"};

// Writes `query` without the parameters of these names; every other byte stays. Returns the number of bytes written,
// at most query.size(); `out` holds at least that many and may be the memory of `query` itself.
std::size_t remove_params(std::string_view query, std::span<const std::string_view> names, char* out) noexcept;
std::string remove_params(std::string_view query, std::span<const std::string_view> names);

}  // namespace spillway::http
