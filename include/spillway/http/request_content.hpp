#pragma once

#include <cstdint>
#include <string_view>

namespace spillway::http {

enum class content_error : std::uint8_t {
    none,
    malformed,  // no media type with parameters
    not_json,   // another media type
    charset,    // JSON in another character set than UTF-8, or in two
};

// Whether a Content-Type says JSON in UTF-8, so that every reader takes the body for what it was taken for here:
// application/json, text/json or another type that ends in +json, with a charset of utf-8 or us-ascii if any.
content_error check_json_type(std::string_view content_type) noexcept;

// How a body is encoded.
enum class content_coding : std::uint8_t { identity, gzip, zstd, unknown };
// Of one Content-Encoding field. A list of several codings is unknown.
content_coding coding_of(std::string_view content_encoding) noexcept;

// The codings that request bodies may have, for Accept-Encoding.
inline constexpr std::string_view taken_codings = "gzip, zstd";

}  // namespace spillway::http
