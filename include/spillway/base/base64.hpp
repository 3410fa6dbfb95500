#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace spillway::text {

// RFC 4648, section 5, without padding, as JWS wants it. Nothing for any other character, for a length that no text
// has, and for bits that are left over: one text has one spelling.
std::optional<std::string> from_base64url(std::string_view s);

std::string to_base64url(std::string_view bytes);

// The usual alphabet, padding and line ends allowed: the inside of PEM, certificates in headers.
std::optional<std::string> from_base64(std::string_view s);

}  // namespace spillway::text
