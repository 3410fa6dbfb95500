#include <spillway/http/date.hpp>

#include <algorithm>
#include <array>

#include <spillway/base/civil.hpp>
#include <spillway/base/text.hpp>

namespace spillway::http {
namespace {

constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

std::chrono::year_month_day date_of(std::int64_t at) noexcept {
    return std::chrono::floor<std::chrono::days>(std::chrono::sys_seconds(seconds(at)));
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
    const auto day = civil::day_of(p.year, p.month, p.day);
    const auto time = civil::time_of_day(p.hour, p.minute, p.second);
    if (p.year < 1970 || !day || !time) return std::nullopt;
    // No date names the second after a leap second twice.
    const seconds of_day = p.second == 60 ? *time - seconds(1) : *time;
    return (*day + of_day).time_since_epoch().count();
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
        const auto this_year = static_cast<int>(date_of(now).year());
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

std::string_view format_http_date(std::int64_t at, std::span<char, http_date_size> out) noexcept {
    const std::chrono::year_month_day date = date_of(at);
    const auto rest = static_cast<unsigned>(at % 86400);
    char* p = out.data();
    const auto put = [&](std::string_view s) { p = std::copy(s.begin(), s.end(), p); };
    const auto number = [&](unsigned v, int digits) {
        for (int i = digits - 1; i >= 0; --i, v /= 10) p[i] = static_cast<char>('0' + v % 10);
        p += digits;
    };
    put(days[std::chrono::weekday(std::chrono::sys_days(date)).c_encoding()]);
    put(", ");
    number(static_cast<unsigned>(date.day()), 2);
    put(" ");
    put(months[static_cast<unsigned>(date.month()) - 1]);
    put(" ");
    number(static_cast<unsigned>(static_cast<int>(date.year())), 4);
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
