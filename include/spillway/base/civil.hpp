#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <spillway/base/time.hpp>

// Dates of the Gregorian calendar and times of day in UTC. Pure: the present time is an argument where it matters.
namespace spillway::civil {

using std::chrono::sys_days;
using moment_us = std::chrono::sys_time<microseconds>;

// Nothing when the calendar has no such day.
std::optional<sys_days> day_of(std::int64_t year, std::int64_t month, std::int64_t day) noexcept;
// Nothing when no clock shows that; a leap second is the first one of the next minute.
std::optional<seconds> time_of_day(std::int64_t hour, std::int64_t minute, std::int64_t second) noexcept;

// "2026-11", "2026-11-26"; years 1970 to 9999.
std::optional<std::chrono::year_month> parse_month(std::string_view s) noexcept;
std::optional<sys_days> parse_day(std::string_view s) noexcept;
// RFC 3339, to microseconds: "2026-11-26", "2026-11-26T08:30:00Z", "2026-11-26 08:30:00.25+01:00".
std::optional<moment_us> parse_moment(std::string_view s) noexcept;

// The nearest that a wall_time can hold: its nanoseconds end in the year 2262.
wall_time wall_time_of(moment_us at) noexcept;

// With zeros in front, up to `width` digits.
void append_padded(std::string& out, std::uint64_t value, int width);
// "2026-11", "2026-11-26".
std::string format_month(std::chrono::year_month m);
std::string format_day(sys_days d);
// "2026-11-26T16:46:17Z" and with `decimals` (0 to 6) of the second, which are cut, not rounded.
std::string format_moment(moment_us at, int decimals = 0);

}  // namespace spillway::civil
