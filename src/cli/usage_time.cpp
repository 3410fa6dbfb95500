#include <array>
#include <chrono>
#include <cstdio>

#include <spillway/base/text.hpp>

#include "usage_text.hpp"

namespace spillway::cli {
namespace {

using std::chrono::days;
using std::chrono::sys_days;

constexpr std::int64_t second_us = 1'000'000, day_us = 86400 * second_us;

// Takes `digits` digits off the beginning.
std::optional<unsigned> take_digits(std::string_view& s, std::size_t digits) {
    if (s.size() < digits) return {};
    const auto n = text::parse_unsigned(s.substr(0, digits));
    s.remove_prefix(digits);
    if (!n) return {};
    return static_cast<unsigned>(*n);
}
bool take_char(std::string_view& s, char c) {
    if (s.empty() || s.front() != c) return false;
    s.remove_prefix(1);
    return true;
}

std::optional<std::chrono::year_month> take_month(std::string_view& s) {
    const auto year = take_digits(s, 4);
    if (!year || !take_char(s, '-')) return {};
    const auto month = take_digits(s, 2);
    if (!month) return {};
    const auto out = std::chrono::year(static_cast<int>(*year)) / std::chrono::month(*month);
    if (!out.ok() || *year < 1970) return {};
    return out;
}

std::optional<sys_days> take_date(std::string_view& s) {
    const auto month = take_month(s);
    if (!month || !take_char(s, '-')) return {};
    const auto day = take_digits(s, 2);
    if (!day || !(*month / std::chrono::day(*day)).ok()) return {};
    return sys_days(*month / std::chrono::day(*day));
}

std::int64_t us_of(sys_days d) { return d.time_since_epoch().count() * day_us; }

// Microseconds of "08:30:00.25".
std::optional<std::int64_t> take_clock(std::string_view& s) {
    const auto hour = take_digits(s, 2);
    if (!hour || *hour > 23 || !take_char(s, ':')) return {};
    const auto minute = take_digits(s, 2);
    if (!minute || *minute > 59 || !take_char(s, ':')) return {};
    const auto second = take_digits(s, 2);
    if (!second || *second > 60) return {};
    std::int64_t out = (std::int64_t{*hour} * 3600 + std::int64_t{*minute} * 60 + *second) * second_us;
    if (!take_char(s, '.')) return out;
    std::int64_t unit = second_us;
    bool any = false;
    for (; !s.empty() && s.front() >= '0' && s.front() <= '9'; s.remove_prefix(1), any = true)
        out += (s.front() - '0') * (unit /= 10);
    if (!any) return {};
    return out;
}

// Microseconds that the clock is ahead of UTC; the zone ends the text.
std::optional<std::int64_t> take_zone(std::string_view s) {
    if (s == "Z" || s == "z") return 0;
    const bool ahead = take_char(s, '+');
    if (!ahead && !take_char(s, '-')) return {};
    const auto hour = take_digits(s, 2);
    if (!hour || *hour > 23 || !take_char(s, ':')) return {};
    const auto minute = take_digits(s, 2);
    if (!minute || *minute > 59 || !s.empty()) return {};
    return (ahead ? 1 : -1) * (std::int64_t{*hour} * 3600 + std::int64_t{*minute} * 60) * second_us;
}

}  // namespace

std::optional<std::int64_t> parse_moment(std::string_view s) {
    const auto date = take_date(s);
    if (!date) return {};
    if (s.empty()) return us_of(*date);
    if (!take_char(s, 'T') && !take_char(s, 't') && !take_char(s, ' ')) return {};
    const auto clock = take_clock(s);
    if (!clock) return {};
    const auto zone = take_zone(s);
    if (!zone) return {};
    return us_of(*date) + *clock - *zone;
}

std::optional<period_us> parse_month(std::string_view s) {
    const auto month = take_month(s);
    if (!month || !s.empty()) return {};
    return period_us{us_of(sys_days(*month / 1)), us_of(sys_days((*month + std::chrono::months(1)) / 1))};
}

std::optional<period_us> parse_day(std::string_view s) {
    const auto date = take_date(s);
    if (!date || !s.empty()) return {};
    return period_us{us_of(*date), us_of(*date + days(1))};
}

std::string format_moment(std::int64_t us) {
    const std::chrono::sys_time<std::chrono::microseconds> at{std::chrono::microseconds(us)};
    const auto day = std::chrono::floor<days>(at);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(at - day);
    std::array<char, 64> out{};
    const int n = std::snprintf(out.data(), out.size(), "%04d-%02u-%02uT%02d:%02d:%02d",
                                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                                static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()));
    std::string s(out.data(), static_cast<std::size_t>(n));
    if (const auto rest = clock.subseconds().count(); rest != 0) {
        auto digits = std::to_string(rest);
        s += "." + std::string(6 - digits.size(), '0') + digits;
    }
    return s + "Z";
}

}  // namespace spillway::cli
