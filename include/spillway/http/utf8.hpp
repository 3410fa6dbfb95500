#pragma once

#include <cstddef>
#include <string_view>

namespace spillway::http {

// Whether all of it is well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text) noexcept;

// How many of the first `most` bytes can be looked at alone: no character is cut. At least 1 of a text that is not
// empty.
std::size_t whole_characters(std::string_view text, std::size_t most) noexcept;

}  // namespace spillway::http
