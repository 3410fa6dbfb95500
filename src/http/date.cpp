#include <spillway/http/date.hpp>

#include <algorithm>
#include <array>

#include <spillway/base/text.hpp>

namespace spillway::http {
namespace {

constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

// Days since 1970-01-01 of a date of the Gregorian calendar; the usual arithmetic with years that begin in March.
std::int64_t days_from_civil(std::int64_t y, unsigned m, unsigned d) noexcept {
    y -= m <= 2;
    const std::int64_t era = y / 400;
    const auto year_of_era = static_cast<unsigned>(y - era * 400);
    const unsigned day_of_year = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    const unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

struct civil {
    std::int64_t year{1970};
    unsigned month{1}, day{1};
};

civil civil_from_days(std::int64_t z) noexcept {
    z += 719468;
    const std::int64_t era = z / 146097;
    const auto doe = static_cast<unsigned>(z - era * 146097);
    const unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const unsigned mp = (5 * doy + 2) / 153;
    const unsigned month = mp < 10 ? mp + 3 : mp - 9;
    return {static_cast<std::int64_t>(yoe) + era * 400 + (month <= 2 ? 1 : 0), month, doy - (153 * mp + 2) / 5 + 1};
}

unsigned days_in_month(std::int64_t y, unsigned m) noexcept {
    constexpr std::array<unsigned, 12> usual{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m == 2 && leap ? 29 : usual[m - 1];
}

// Takes the date apart word by word; any mismatch spoils it for good.
class reader {
public:
    explicit reader(std::string_view s) noexcept : rest_(s) {}

    bool literal(std::string_view s) noexcept {
        if (!good_ || rest_.substr(0, s.size()) != s) return good_ = false;
        rest_.remove_prefix(s.size());
        return true;
    }
    unsigned number(std::size_t digits) noexcept {
        const auto v = rest_.size() >= digits ? text::parse_unsigned(rest_.substr(0, digits)) : std::nullopt;
        if (!good_ || !v) {
            good_ = false;
            return 0;
        }
        rest_.remove_prefix(digits);
        return static_cast<unsigned>(*v);
    }
    unsigned month() noexcept {
        for (unsigned i = 0; i < months.size(); ++i)
            if (rest_.substr(0, 3) == months[i]) {
                rest_.remove_prefix(3);
                return i + 1;
            }
        good_ = false;
        return 1;
    }
    // A day of asctime: two characters, the first may be a blank.
    unsigned blank_day() noexcept {
        if (rest_.substr(0, 1) != " ") return number(2);
        rest_.remove_prefix(1);
        return number(1);
    }
    bool good_at_end() const noexcept { return good_ && rest_.empty(); }

private:
    std::string_view rest_;
    bool good_{true};
};

struct parts {
    std::int64_t year{0};
    unsigned month{1}, day{0}, hour{0}, minute{0}, second{0};
    void time(reader& r) noexcept {
        hour = r.number(2);
        r.literal(":");
        minute = r.number(2);
        r.literal(":");
        second = r.number(2);
    }
};

std::optional<std::int64_t> seconds_of(const parts& p) noexcept {
    if (p.year < 1970 || p.year > 9999 || p.day < 1 || p.day > days_in_month(p.year, p.month) || p.hour > 23 ||
        p.minute > 59 || p.second > 60)
        return std::nullopt;
    return days_from_civil(p.year, p.month, p.day) * 86400 + p.hour * 3600 + p.minute * 60 + std::min(p.second, 59U);
}

}  // namespace

std::optional<std::int64_t> parse_http_date(std::string_view s, std::int64_t now) noexcept {
    parts p;
    const auto comma = s.find(',');
    if (comma == 3) {
        reader r(s.substr(4));
        r.literal(" ");
        p.day = r.number(2);
        r.literal(" ");
        p.month = r.month();
        r.literal(" ");
        p.year = r.number(4);
        r.literal(" ");
        p.time(r);
        r.literal(" GMT");
        return r.good_at_end() ? seconds_of(p) : std::nullopt;
    }
    if (comma != std::string_view::npos) {
        reader r(s.substr(comma + 1));
        r.literal(" ");
        p.day = r.number(2);
        r.literal("-");
        p.month = r.month();
        r.literal("-");
        const auto short_year = r.number(2);
        r.literal(" ");
        p.time(r);
        r.literal(" GMT");
        if (!r.good_at_end()) return std::nullopt;
        const std::int64_t this_year = civil_from_days(now / 86400).year;
        p.year = this_year / 100 * 100 + short_year;
        if (p.year > this_year + 50) p.year -= 100;
        return seconds_of(p);
    }
    if (s.size() < 4) return std::nullopt;
    reader r(s.substr(3));
    r.literal(" ");
    p.month = r.month();
    r.literal(" ");
    p.day = r.blank_day();
    r.literal(" ");
    p.time(r);
    r.literal(" ");
    p.year = r.number(4);
    return r.good_at_end() ? seconds_of(p) : std::nullopt;
}

std::string_view format_http_date(std::int64_t seconds, std::span<char, http_date_size> out) noexcept {
    const std::int64_t day = seconds / 86400;
    const auto rest = static_cast<unsigned>(seconds % 86400);
    const civil c = civil_from_days(day);
    char* p = out.data();
    const auto put = [&](std::string_view s) { p = std::copy(s.begin(), s.end(), p); };
    const auto number = [&](unsigned v, int digits) {
        for (int i = digits - 1; i >= 0; --i, v /= 10) p[i] = static_cast<char>('0' + v % 10);
        p += digits;
    };
    put(days[static_cast<std::size_t>((day + 4) % 7)]);
    put(", ");
    number(c.day, 2);
    put(" ");
    put(months[c.month - 1]);
    put(" ");
    number(static_cast<unsigned>(c.year), 4);
    put(" ");
    number(rest / 3600, 2);
    put(":");
    number(rest / 60 % 60, 2);
    put(":");
    number(rest % 60, 2);
    put(" GMT");
    return {out.data(), out.size()};
}

}  // namespace spillway::http
