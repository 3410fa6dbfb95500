#include <spillway/core/period.hpp>

#include <array>
#include <charconv>

namespace spillway::core {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

void append_padded(std::string& out, int value, int width) {
    std::array<char, 12> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    for (auto n = end - digits.data(); n < width; ++n) out += '0';
    out.append(digits.data(), end);
}

sys_days monday_of(sys_days d) noexcept { return d - (std::chrono::weekday(d) - std::chrono::Monday); }

}  // namespace

period_bounds period_of(wall_time at, config::period p) noexcept {
    const auto day = std::chrono::floor<days>(at);
    const year_month_day date(day);
    switch (p) {
        case config::period::day: return {day, day + days(1)};
        case config::period::week: return {monday_of(day), monday_of(day) + days(7)};
        case config::period::month: break;
    }
    const auto first = date.year() / date.month();
    return {sys_days(first / 1), sys_days((first + std::chrono::months(1)) / 1)};
}

std::string period_key(wall_time at, config::period p) {
    const auto day = std::chrono::floor<days>(at);
    const year_month_day date(day);
    std::string out;
    if (p == config::period::week) {
        // The week belongs to the year that has its Thursday.
        const auto monday = monday_of(day);
        const year_month_day thursday(monday + days(3));
        const auto new_year = sys_days(thursday.year() / std::chrono::January / 1);
        append_padded(out, static_cast<int>(thursday.year()), 4);
        out += "-W";
        append_padded(out, static_cast<int>((monday + days(3) - new_year).count() / 7 + 1), 2);
        return out;
    }
    append_padded(out, static_cast<int>(date.year()), 4);
    out += '-';
    append_padded(out, static_cast<int>(static_cast<unsigned>(date.month())), 2);
    if (p == config::period::month) return out;
    out += '-';
    append_padded(out, static_cast<int>(static_cast<unsigned>(date.day())), 2);
    return out;
}

}  // namespace spillway::core
