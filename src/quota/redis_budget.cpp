#include "redis_budget.hpp"

#include <algorithm>
#include <set>

#include <spillway/core/period.hpp>

#include "relaxed.hpp"

namespace spillway::quota {
namespace {

constexpr std::size_t most_known = 256;  // gateways

// Admission ends at the budget, so what a gateway has spent is about as much. It is more where the budget was lowered
// amid the period; a figure that is many times the budget was never spent.
constexpr std::int64_t believed_budgets = 100, trusted_budgets = 2;

budget_sums bounds(const budget_book& book, std::int64_t budgets) noexcept {
    const auto of = [budgets](std::optional<std::int64_t> limit, std::int64_t most) {
        return limit ? std::min(mul_sat(std::max<std::int64_t>(*limit, 0), budgets), most) : most;
    };
    return {of(book.limit_tokens(), most_tokens), of(book.limit_money(), most_money)};
}

template <class F>
budget_sums each(F f, const budget_sums& a, const budget_sums& b, const budget_sums& c) noexcept {
    return {f(a.tokens, b.tokens, c.tokens), f(a.money, b.money, c.money)};
}

// Of what can have been spent the highest ever heard holds; of the rest what is told now.
std::int64_t follow(std::int64_t known, std::int64_t told, std::int64_t trusted) noexcept {
    return told > trusted || known > trusted ? told : std::max(known, told);
}

budget_sums below(const budget_sums& s, const budget_sums& most) noexcept {
    return {s.tokens <= most.tokens ? s.tokens : 0, s.money <= most.money ? s.money : 0};
}

}  // namespace

redis_budget::page& redis_budget::of(budget_book::cell& c, std::size_t slot, const budget_book& book) {
    page& p = pages_[slot];
    const auto number = c.number.load(std::memory_order_acquire);
    if (p.number != number) {
        const auto per = book.per().value_or(config::period::month);
        p = page{};
        // Nothing was spent: there is nothing to tell, and so nothing is heard either until it is asked for.
        p.told = {};
        p.number = number;
        const wall_time at{wall_clock::duration(c.opened.load(relaxed))};
        p.key = core::period_key(at, per);
        p.end = core::period_of(at, per).end;
    }
    p.believed = bounds(book, believed_budgets);
    p.trusted = bounds(book, trusted_budgets);
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

redis_budget::sums redis_budget::total(const page& p, const budget_book::cell& c) noexcept {
    const auto now = own(c);
    const auto earlier = below(p.earlier, p.trusted);
    const auto of = [](std::int64_t seeded, std::int64_t heard, std::int64_t before, std::int64_t own_sum) {
        const auto base = std::max(seeded, heard);
        return base > before ? add_sat(base, own_sum) : 0;
    };
    return {of(c.seeded_tokens.load(relaxed), earlier.tokens, p.before.tokens, now[0]),
            of(c.seeded_money.load(relaxed), earlier.money, p.before.money, now[1])};
}

redis_budget::sums redis_budget::tellable(const page& p, const sums& known) noexcept {
    return below(known, p.trusted);
}

bool redis_budget::differs(const page& p, const budget_book::cell& c) noexcept {
    return p.retell || own(c) != p.told || total(p, c) != p.told_total;
}

// What the processes before this one have spent, and those beside it.
void redis_budget::learn_own(page& p, const redis_told& t) noexcept {
    p.before = below(t.before, p.believed);
    const auto all = below(t.total, p.believed);
    const sums first{std::max<std::int64_t>(0, sub_sat(all.tokens, p.told[0])),
                     std::max<std::int64_t>(0, sub_sat(all.money, p.told[1]))};
    if (!p.heard) p.earlier = first;
    p.heard = true;
    const auto now = [](std::int64_t earlier, std::int64_t told, std::int64_t trusted) {
        return earlier > trusted ? told : earlier;
    };
    p.earlier = each(now, p.earlier, first, p.trusted);
    const auto highest = [](std::int64_t earlier, std::int64_t before, std::int64_t trusted) {
        return before > trusted ? earlier : std::max(earlier, before);
    };
    p.earlier = each(highest, p.earlier, p.before, p.trusted);
}

redis_budget::sums redis_budget::learn_others(page& p, const redis_told& t) {
    sums all;
    std::set<std::string> there;
    for (const auto& g : t.gateways) {
        const auto spent = below(g.spent, p.believed);
        const auto at = p.known.find(g.name);
        if (at == p.known.end() && p.known.size() >= most_known) {
            all.add(spent);
            continue;
        }
        there.insert(g.name);
        auto& known = p.known[g.name];
        known = each(follow, known, spent, p.trusted);
        p.retell = p.retell || known.tokens > spent.tokens || known.money > spent.money;
        all.add(known);
    }
    // Where not all are named, those that are missing are among the rest.
    const bool all_named = t.rest == sums{};
    for (auto at = p.known.begin(); at != p.known.end();) {
        if (!there.contains(at->first)) {
            at->second = below(at->second, p.trusted);
            if (at->second == sums{}) {
                at = p.known.erase(at);
                continue;
            }
            if (all_named) {
                p.retell = true;
                all.add(at->second);
            }
        }
        ++at;
    }
    all.add(below(t.rest, p.believed));
    return all;
}

void redis_budget::learn(page& p, budget_book::cell& c, const redis_told& t) {
    learn_own(p, t);
    sums all = learn_others(p, t);
    all.add(below(t.reserved, p.believed));
    // What this gateway spent before the process began is in the seed, and in Redis if it was there then.
    const auto unseeded = [](std::int64_t before, std::int64_t earlier, std::int64_t seeded) {
        return std::max<std::int64_t>(0, sub_sat(std::max(before, earlier), seeded));
    };
    all.add({unseeded(p.before.tokens, p.earlier.tokens, c.seeded_tokens.load(relaxed)),
             unseeded(p.before.money, p.earlier.money, c.seeded_money.load(relaxed))});
    c.elsewhere_tokens.store(all.tokens, relaxed);
    c.elsewhere_money.store(all.money, relaxed);
}

void redis_budget::forget_told() noexcept {
    for (auto& p : pages_) {
        p.told = {-1, -1, -1, -1};
        p.told_total = {-1, -1};
    }
}

void redis_budget::forget_heard() noexcept {
    for (auto& p : pages_) {
        p.known.clear();
        p.before = p.earlier = {};
        p.heard = p.retell = false;
    }
    forget_told();
}

}  // namespace spillway::quota
