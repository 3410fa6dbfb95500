#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace spillway::http {

inline constexpr std::size_t http_date_size = 29;

// Seconds since 1970 of an HTTP date: IMF-fixdate, RFC 850 or asctime. `now` (seconds since 1970) settles the
// century of RFC 850's two-digit year: a date more than 50 years ahead means the past. A wrong weekday is forgiven.
std::optional<std::int64_t> parse_http_date(std::string_view s, std::int64_t now) noexcept;

// "Sun, 06 Nov 1994 08:49:37 GMT". Years 1970 to 9999.
std::string_view format_http_date(std::int64_t at, std::span<char, http_date_size> out) noexcept;

}  // namespace spillway::http
