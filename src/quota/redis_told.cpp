#include "redis_told.hpp"

#include <algorithm>

#include <spillway/core/gcra.hpp>

namespace spillway::quota {
namespace {

constexpr std::size_t head = 10, budget_head = 8;

// No wait can be longer: a debt of a day, and a burst that may last as long.
duration wait_of(std::int64_t us) noexcept {
    constexpr auto most = std::chrono::duration_cast<microseconds>(2 * core::gcra::longest_debt).count();
    return microseconds(std::clamp<std::int64_t>(us, 0, most));
}

budget_sums sums_at(const redis_answer& a, std::size_t i) noexcept {
    return {std::clamp<std::int64_t>(a[i].number, 0, most_tokens),
            std::clamp<std::int64_t>(a[i + 1].number, 0, most_money)};
}

}  // namespace

std::optional<redis_told> read_told(const redis_answer& a, const told_bounds& most) {
    if (a.size() < head) return std::nullopt;
    redis_told out;
    out.why = static_cast<core::quota_limit>(std::clamp<std::int64_t>(a[0].number, 0, 5));
    out.permits = std::clamp<std::int64_t>(a[1].number, 0, most.permits);
    for (std::size_t i = 0; i < 2; ++i) {
        const auto& bound = most.rates[i];
        out.rates[i].more = std::clamp<std::int64_t>(a[2 + 3 * i].number, 0, bound.want);
        out.rates[i].left =
            std::clamp<std::int64_t>(a[3 + 3 * i].number, std::min<std::int64_t>(-bound.most_debt, 0), bound.burst);
        out.rates[i].wait = wait_of(a[4 + 3 * i].number);
    }
    out.born = a[8].number;
    out.generation = std::max<std::int64_t>(a[9].number, 0);
    if (a.size() < head + budget_head) return out;
    out.budget = true;
    out.reserved = sums_at(a, head);
    out.before = sums_at(a, head + 2);
    out.total = sums_at(a, head + 4);
    out.rest = sums_at(a, head + 6);
    for (std::size_t i = head + budget_head; i + 2 < a.size(); i += 3)
        out.gateways.push_back({a[i].text, sums_at(a, i + 1)});
    return out;
}

}  // namespace spillway::quota
