#include "redis_budget.hpp"

#include <algorithm>
#include <set>

#include <spillway/core/period.hpp>

namespace spillway::shared {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

}  // namespace

redis_budget::page& redis_budget::of(budget_book::cell& c, std::size_t slot, config::period per) {
    page& p = pages_[slot];
    const auto number = c.number.load(std::memory_order_acquire);
    if (p.number != number) {
        p = page{};
        p.number = number;
        const wall_time at{wall_clock::duration(c.opened.load(relaxed))};
        p.key = core::period_key(at, per);
        p.end = core::period_of(at, per).end;
    }
    return p;
}

std::array<std::int64_t, 4> redis_budget::own(const budget_book::cell& c) noexcept {
    const auto spent_tokens = c.spent_tokens.load(relaxed);
    const auto spent_money = c.spent_money.load(relaxed);
    const auto part = [](std::int64_t n) { return std::max<std::int64_t>(n, 0); };
    return {part(spent_tokens - c.seeded_tokens.load(relaxed)), part(spent_money - c.seeded_money.load(relaxed)),
            part(c.committed_tokens.load(relaxed) - spent_tokens),
            part(c.committed_money.load(relaxed) - spent_money)};
}

void redis_budget::learn(page& p, budget_book::cell& c, const std::string& me, const redis_answer& a,
                         std::size_t from) {
    page::sums reserved;
    std::set<std::string> there;
    for (std::size_t i = from; i + 4 < a.size(); i += 5) {
        const auto& name = a[i].text;
        if (name == me) continue;
        there.insert(name);
        auto& known = p.known[name];
        p.retell = p.retell || a[i + 1].number < known.tokens || a[i + 2].number < known.money;
        known.tokens = std::max(known.tokens, a[i + 1].number);
        known.money = std::max(known.money, a[i + 2].number);
        reserved.tokens += a[i + 3].number;
        reserved.money += a[i + 4].number;
    }
    page::sums all = reserved;
    for (const auto& [name, known] : p.known) {
        p.retell = p.retell || !there.contains(name);
        all.tokens += known.tokens;
        all.money += known.money;
    }
    // What was spent before this process began is in the fields of processes that are gone, and in the seed.
    c.elsewhere_tokens.store(std::max<std::int64_t>(0, all.tokens - c.seeded_tokens.load(relaxed)), relaxed);
    c.elsewhere_money.store(std::max<std::int64_t>(0, all.money - c.seeded_money.load(relaxed)), relaxed);
}

void redis_budget::forget_told() noexcept {
    for (auto& p : pages_) p.told = {-1, -1, -1, -1};
}

}  // namespace spillway::shared
