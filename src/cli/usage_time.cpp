#include <spillway/base/civil.hpp>

#include "usage_text.hpp"

namespace spillway::cli {
namespace {

std::int64_t us_of(civil::moment_us at) { return at.time_since_epoch().count(); }

}  // namespace

std::optional<std::int64_t> parse_moment(std::string_view s) {
    const auto at = civil::parse_moment(s);
    return at ? std::optional(us_of(*at)) : std::nullopt;
}

std::optional<period_us> parse_month(std::string_view s) {
    const auto month = civil::parse_month(s);
    if (!month) return {};
    return period_us{us_of(civil::sys_days(*month / 1)),
                     us_of(civil::sys_days((*month + std::chrono::months(1)) / 1))};
}

std::optional<period_us> parse_day(std::string_view s) {
    const auto day = civil::parse_day(s);
    if (!day) return {};
    return period_us{us_of(*day), us_of(*day + std::chrono::days(1))};
}

std::string format_moment(std::int64_t us) {
    return civil::format_moment(civil::moment_us(microseconds(us)), us % 1'000'000 == 0 ? 0 : 6);
}

}  // namespace spillway::cli
