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
    return {part(sub_sat(spent_tokens, c.seeded_tokens.load(relaxed))),
            part(sub_sat(spent_money, c.seeded_money.load(relaxed))),
            part(sub_sat(c.committed_tokens.load(relaxed), spent_tokens)),
            part(sub_sat(c.committed_money.load(relaxed), spent_money))};
}

std::string_view redis_budget::gateway_of(std::string_view process) noexcept {
    return process.substr(0, process.rfind('.') + 1);
}

redis_budget::page::sums redis_budget::total(const page& p, const budget_book::cell& c) noexcept {
    const auto now = own(c);
    const auto of = [](std::int64_t seeded, std::int64_t earlier, std::int64_t before, std::int64_t own_sum) {
        const auto base = std::max(seeded, earlier);
        return base > before ? add_sat(base, own_sum) : 0;
    };
    return {of(c.seeded_tokens.load(relaxed), p.earlier.tokens, p.before.tokens, now[0]),
            of(c.seeded_money.load(relaxed), p.earlier.money, p.before.money, now[1])};
}

bool redis_budget::differs(const page& p, const budget_book::cell& c) noexcept {
    return p.retell || own(c) != p.told || total(p, c) != p.told_total;
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
        reserved.add({a[i + 3].number, a[i + 4].number});
    }
    struct gateway {
        page::sums processes, total;
    };
    std::map<std::string_view, gateway> gateways;
    for (const auto& [name, known] : p.known) {
        p.retell = p.retell || !there.contains(name);
        auto& g = gateways[gateway_of(name)];
        if (name == gateway_of(name)) {
            g.total = known;
            continue;
        }
        g.processes.add(known);
    }
    const auto mine = gateways[gateway_of(me)];
    gateways.erase(gateway_of(me));
    p.before = mine.processes;
    if (!p.heard) p.earlier = {sub_sat(mine.total.tokens, p.told[0]), sub_sat(mine.total.money, p.told[1])};
    p.heard = true;

    // What this gateway spent before the process began is in the seed, and in Redis if it was there then.
    const auto unseeded = [](std::int64_t before, std::int64_t earlier, std::int64_t seeded) {
        return std::max<std::int64_t>(0, sub_sat(std::max(before, earlier), seeded));
    };
    page::sums all = reserved;
    all.add({unseeded(p.before.tokens, p.earlier.tokens, c.seeded_tokens.load(relaxed)),
             unseeded(p.before.money, p.earlier.money, c.seeded_money.load(relaxed))});
    for (const auto& [name, g] : gateways)
        all.add({std::max(g.processes.tokens, g.total.tokens), std::max(g.processes.money, g.total.money)});
    c.elsewhere_tokens.store(all.tokens, relaxed);
    c.elsewhere_money.store(all.money, relaxed);
}

void redis_budget::forget_told() noexcept {
    for (auto& p : pages_) {
        p.told = {-1, -1, -1, -1};
        p.told_total = {-1, -1};
    }
}

}  // namespace spillway::shared
