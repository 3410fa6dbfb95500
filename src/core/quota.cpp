#include <spillway/core/quota.hpp>

#include <spillway/core/period.hpp>

namespace spillway::core {

std::string_view name_of(quota_limit limit) noexcept {
    switch (limit) {
        case quota_limit::concurrent: return "concurrent";
        case quota_limit::requests: return "requests";
        case quota_limit::tokens: return "tokens";
        case quota_limit::budget_tokens: return "budget_tokens";
        case quota_limit::budget_money: return "budget_money";
        case quota_limit::none: break;
    }
    return "none";
}

std::string_view code_of(quota_limit limit) noexcept {
    switch (limit) {
        case quota_limit::concurrent: return "TooManyConcurrentRequests";
        case quota_limit::requests:
        case quota_limit::tokens: return "RateLimitExceeded";
        case quota_limit::budget_tokens:
        case quota_limit::budget_money: return "BudgetExhausted";
        case quota_limit::none: break;
    }
    return {};
}

int status_of(quota_limit limit) noexcept {
    return limit == quota_limit::budget_tokens || limit == quota_limit::budget_money ? 403 : 429;
}

duration until_next_period(wall_time at, config::period p) noexcept {
    return std::chrono::duration_cast<duration>(period_of(at, p).end - at);
}

std::int64_t period_number(wall_time at, config::period p) noexcept {
    const auto day = std::chrono::floor<std::chrono::days>(at);
    std::int64_t n = day.time_since_epoch().count();
    if (p == config::period::week) {
        n = (n + 3 + 7 * 10'000) / 7;  // 1970 began on a Thursday; the offset keeps the division on one side of zero
    } else if (p == config::period::month) {
        const std::chrono::year_month_day date(day);
        n = static_cast<int>(date.year()) * std::int64_t{12} + static_cast<unsigned>(date.month());
    }
    return n * period_step + static_cast<std::int64_t>(p);
}

}  // namespace spillway::core
