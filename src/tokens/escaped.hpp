#pragma once

#include <string>
#include <string_view>

namespace spillway::tokens {

// Decodes the inside of JSON strings. Never fails: half a surrogate pair becomes U+FFFD, what is no escape sequence
// or breaks off stays as it stands.
std::string unescape(std::string_view raw);

}  // namespace spillway::tokens
