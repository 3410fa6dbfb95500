#include <spillway/base/civil.hpp>

#include <algorithm>
#include <charconv>

#include <spillway/base/text.hpp>

namespace spillway::civil {
namespace {

using std::chrono::days;

// Takes `digits` digits off the beginning.
std::optional<std::int64_t> take_digits(std::string_view& s, std::size_t digits) noexcept {
    if (s.size() < digits) return {};
    const auto n = text::parse_unsigned(s.substr(0, digits));
    s.remove_prefix(digits);
    if (!n) return {};
    return static_cast<std::int64_t>(*n);
}
bool take_char(std::string_view& s, char c) noexcept {
    if (s.empty() || s.front() != c) return false;
    s.remove_prefix(1);
    return true;
}

std::optional<std::chrono::year_month> take_month(std::string_view& s) noexcept {
    const auto year = take_digits(s, 4);
    if (!year || *year < 1970 || !take_char(s, '-')) return {};
    const auto month = take_digits(s, 2);
    if (!month || *month < 1 || *month > 12) return {};
    return std::chrono::year(static_cast<int>(*year)) / std::chrono::month(static_cast<unsigned>(*month));
}

std::optional<sys_days> take_day(std::string_view& s) noexcept {
    const auto month = take_month(s);
    if (!month || !take_char(s, '-')) return {};
    const auto day = take_digits(s, 2);
    if (!day) return {};
    return day_of(static_cast<int>(month->year()), static_cast<unsigned>(month->month()), *day);
}

// "08:30:00.25"
std::optional<microseconds> take_time(std::string_view& s) noexcept {
    const auto hour = take_digits(s, 2);
    if (!hour || !take_char(s, ':')) return {};
    const auto minute = take_digits(s, 2);
    if (!minute || !take_char(s, ':')) return {};
    const auto second = take_digits(s, 2);
    if (!second) return {};
    const auto whole = time_of_day(*hour, *minute, *second);
    if (!whole) return {};
    microseconds out = *whole;
    if (!take_char(s, '.')) return out;
    std::int64_t unit = 1'000'000;
    bool any = false;
    for (; !s.empty() && s.front() >= '0' && s.front() <= '9'; s.remove_prefix(1), any = true)
        out += microseconds((s.front() - '0') * (unit /= 10));
    if (!any) return {};
    return out;
}

// How far the clock is ahead of UTC; the zone ends the text.
std::optional<minutes> take_zone(std::string_view s) noexcept {
    if (s == "Z" || s == "z") return minutes(0);
    const bool ahead = take_char(s, '+');
    if (!ahead && !take_char(s, '-')) return {};
    const auto hour = take_digits(s, 2);
    if (!hour || *hour > 23 || !take_char(s, ':')) return {};
    const auto minute = take_digits(s, 2);
    if (!minute || *minute > 59 || !s.empty()) return {};
    return (ahead ? 1 : -1) * minutes(*hour * 60 + *minute);
}

}  // namespace

std::optional<sys_days> day_of(std::int64_t year, std::int64_t month, std::int64_t day) noexcept {
    if (year < 0 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31) return {};
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    if (!date.ok()) return {};
    return sys_days(date);
}

std::optional<seconds> time_of_day(std::int64_t hour, std::int64_t minute, std::int64_t second) noexcept {
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return {};
    return seconds(hour * 3600 + minute * 60 + second);
}

std::optional<std::chrono::year_month> parse_month(std::string_view s) noexcept {
    const auto out = take_month(s);
    return s.empty() ? out : std::nullopt;
}

std::optional<sys_days> parse_day(std::string_view s) noexcept {
    const auto out = take_day(s);
    return s.empty() ? out : std::nullopt;
}

std::optional<moment_us> parse_moment(std::string_view s) noexcept {
    const auto day = take_day(s);
    if (!day || s.empty()) return day;
    if (!take_char(s, 'T') && !take_char(s, 't') && !take_char(s, ' ')) return {};
    const auto time = take_time(s);
    if (!time) return {};
    const auto zone = take_zone(s);
    if (!zone) return {};
    return *day + *time - *zone;
}

wall_time wall_time_of(moment_us at) noexcept {
    constexpr auto least = std::chrono::ceil<microseconds>(wall_time::min());
    constexpr auto most = std::chrono::floor<microseconds>(wall_time::max());
    return std::clamp(at, least, most);
}

void append_padded(std::string& out, std::uint64_t value, int width) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    const auto n = static_cast<int>(end - digits);
    if (n < width) out.append(static_cast<std::size_t>(width - n), '0');
    out.append(digits, end);
}

std::string format_month(std::chrono::year_month m) {
    std::string out;
    append_padded(out, static_cast<std::uint64_t>(static_cast<int>(m.year())), 4);
    out += '-';
    append_padded(out, static_cast<unsigned>(m.month()), 2);
    return out;
}

std::string format_day(sys_days d) {
    const std::chrono::year_month_day date(d);
    std::string out = format_month(date.year() / date.month());
    out += '-';
    append_padded(out, static_cast<unsigned>(date.day()), 2);
    return out;
}

std::string format_moment(moment_us at, int decimals) {
    const auto day = std::chrono::floor<days>(at);
    const std::chrono::hh_mm_ss time(at - day);
    std::string out = format_day(day);
    const auto part = [&](char before, std::int64_t value) {
        out += before;
        append_padded(out, static_cast<std::uint64_t>(value), 2);
    };
    part('T', time.hours().count());
    part(':', time.minutes().count());
    part(':', time.seconds().count());
    if (decimals > 0) {
        std::string digits;
        append_padded(digits, static_cast<std::uint64_t>(time.subseconds().count()), 6);
        out.append(".").append(digits, 0, static_cast<std::size_t>(decimals));
    }
    out += 'Z';
    return out;
}

}  // namespace spillway::civil
