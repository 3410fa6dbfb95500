#include <spillway/core/period.hpp>

#include <spillway/base/civil.hpp>

namespace spillway::core {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

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
    if (p == config::period::month) return civil::format_month(date.year() / date.month());
    if (p == config::period::day) return civil::format_day(day);
    // The week belongs to the year that has its Thursday.
    const auto thursday = monday_of(day) + days(3);
    const auto year = year_month_day(thursday).year();
    const auto new_year = sys_days(year / std::chrono::January / 1);
    std::string out;
    civil::append_padded(out, static_cast<std::uint64_t>(static_cast<int>(year)), 4);
    out += "-W";
    civil::append_padded(out, static_cast<std::uint64_t>((thursday - new_year).count() / 7 + 1), 2);
    return out;
}

}  // namespace spillway::core
