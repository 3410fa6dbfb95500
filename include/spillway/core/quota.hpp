#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include <spillway/base/saturating.hpp>
#include <spillway/base/time.hpp>
#include <spillway/config/usage.hpp>

// What a quota decides: pure, time is an argument. Where the counts live is `shared`.
namespace spillway::core {

// Why a request is refused, in the order in which they are looked at.
enum class quota_limit : std::uint8_t { none, concurrent, requests, tokens, budget_tokens, budget_money };

// For metrics, logs and the status page.
std::string_view name_of(quota_limit limit) noexcept;

// The code that the client is told (docs/errors.md); empty for none.
std::string_view code_of(quota_limit limit) noexcept;

// 429 for what comes back by itself within moments, 403 for a budget.
int status_of(quota_limit limit) noexcept;

// Whether a budget lets a request in. `committed` is what was spent in the period and what requests in flight have
// reserved. A budget that is used up refuses also what seems to cost nothing, and no price is negative.
constexpr bool within_budget(std::int64_t committed, std::int64_t estimate, std::int64_t limit) noexcept {
    return committed < limit && std::max<std::int64_t>(estimate, 0) <= sub_sat(limit, committed);
}

// How long a budget that is used up keeps its holder waiting: until the next period begins.
duration until_next_period(wall_time at, config::period p) noexcept;

// Names a period by a number: unlike among all kinds, and the next period of a kind has the number of this one plus
// `period_step`.
std::int64_t period_number(wall_time at, config::period p) noexcept;
constexpr std::int64_t period_step = 4;

// No way to tell when a running request ends: what is told to wait when too many are under way.
constexpr duration concurrency_wait = seconds(1);

}  // namespace spillway::core
