#pragma once

#include <string_view>

namespace spillway::http {

// Whether all of it is well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text) noexcept;

}  // namespace spillway::http
