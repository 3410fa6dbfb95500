#include "budget_book.hpp"

#include <algorithm>
#include <limits>

#include <spillway/core/period.hpp>

#include "relaxed.hpp"

namespace spillway::quota {
namespace {

using core::quota_limit;

std::int64_t bounded(std::uint64_t n) noexcept {
    return static_cast<std::int64_t>(std::min<std::uint64_t>(n, std::numeric_limits<std::int64_t>::max() - 1));
}

// Where there is no limit, a sum at the end of its range refuses no request.
bool fits(std::int64_t here, std::int64_t elsewhere, std::int64_t more, std::int64_t limit) noexcept {
    return limit == std::numeric_limits<std::int64_t>::max() ||
           core::within_budget(add_sat(here, elsewhere), more, limit);
}

bool commit(std::atomic<std::int64_t>& committed, const std::atomic<std::int64_t>& elsewhere, std::int64_t estimate,
            std::int64_t limit) noexcept {
    std::int64_t before = committed.load(relaxed);
    do {
        if (!fits(before, elsewhere.load(relaxed), estimate, limit)) return false;
    } while (!committed.compare_exchange_weak(before, add_sat(before, estimate), relaxed));
    return true;
}

// A negative amount would enlarge the budget that others share.
amounts at_least_nothing(const amounts& a) noexcept {
    return {std::max<std::int64_t>(a.tokens, 0), std::max<std::int64_t>(a.money_nanos, 0)};
}

}  // namespace

budget_book::budget_book(std::string holder, std::shared_ptr<const seed_book> seeds)
    : holder_(std::move(holder)), seeds_(std::move(seeds)) {}

void budget_book::change(const std::optional<config::budget>& limits) noexcept {
    limit_tokens_ = limits && limits->tokens ? bounded(*limits->tokens) : none;
    limit_money_ = limits && limits->money ? *limits->money : none;
    if (!limits || per_ == static_cast<int>(limits->per)) return;
    const std::scoped_lock hold(opening_);
    for (auto& c : cells_) c.number.store(-1, relaxed);  // a kind that comes back begins with its seed too
    closed_ = {};
    since_ = std::numeric_limits<time_point::rep>::max();
    per_ = static_cast<int>(limits->per);
}

bool budget_book::has_reserved(time_point began) const noexcept {
    return began.time_since_epoch().count() >= since_.load(relaxed);
}

void budget_book::reserves(time_point began) noexcept {
    const auto at = began.time_since_epoch().count();
    auto since = since_.load(relaxed);
    while (at < since && !since_.compare_exchange_weak(since, at, relaxed)) {
    }
}

std::optional<config::period> budget_book::per() const noexcept {
    const int per = per_.load(relaxed);
    if (per < 0) return std::nullopt;
    return static_cast<config::period>(per);
}

std::optional<std::int64_t> budget_book::known(const std::atomic<std::int64_t>& limit) noexcept {
    const auto value = limit.load(relaxed);
    if (value == none) return std::nullopt;
    return value;
}

void budget_book::close(const cell& c) noexcept {
    const auto number = c.number.load(relaxed);
    if (number < 0) return;
    closed_[next_closed_] = {number,
                             {c.committed_tokens.load(relaxed), c.committed_money.load(relaxed)},
                             {c.spent_tokens.load(relaxed), c.spent_money.load(relaxed)},
                             {c.seeded_tokens.load(relaxed), c.seeded_money.load(relaxed)}};
    next_closed_ = (next_closed_ + 1) % closed_.size();
}

// As it was closed last, else as the ledger has it.
budget_book::closed budget_book::known_of(std::int64_t number, wall_time wall, config::period p) const noexcept {
    for (std::size_t back = 1; back <= closed_.size(); ++back)
        if (const auto& c = closed_[(next_closed_ + closed_.size() - back) % closed_.size()]; c.number == number)
            return c;
    const auto seed = seeds_->find(holder_, core::period_key(wall, p));
    const amounts before{seed.tokens, seed.money_nanos};
    return {number, before, before, before};
}

budget_book::cell* budget_book::open(cell& c, std::int64_t number, wall_time wall, config::period p) noexcept {
    const std::scoped_lock hold(opening_);
    if (c.number.load(relaxed) == number) return &c;
    close(c);
    const auto known = known_of(number, wall, p);
    const auto put = [](const amounts& from, auto& tokens, auto& money) {
        tokens.store(from.tokens, relaxed);
        money.store(from.money_nanos, relaxed);
    };
    put(known.committed, c.committed_tokens, c.committed_money);
    put(known.committed, c.published_tokens, c.published_money);
    put(known.spent, c.spent_tokens, c.spent_money);
    put(known.seeded, c.seeded_tokens, c.seeded_money);
    put({}, c.elsewhere_tokens, c.elsewhere_money);
    c.opened.store(wall.time_since_epoch().count(), relaxed);
    c.number.store(number, std::memory_order_release);
    return &c;
}

budget_book::cell* budget_book::running(wall_time wall) noexcept {
    const auto p = per();
    if (!p) return nullptr;
    const auto number = core::period_number(wall, *p);
    cell& c = cells_[static_cast<std::size_t>(number / core::period_step) % cells_.size()];
    return c.number.load(std::memory_order_acquire) == number ? &c : open(c, number, wall, *p);
}

bool budget_book::holds_later(const cell& c, std::int64_t number) noexcept {
    const auto held = c.number.load(std::memory_order_acquire);
    return held > number && (held - number) % core::period_step == 0;
}

budget_book::cell* budget_book::find(wall_time wall) noexcept {
    const auto p = per();
    if (!p) return nullptr;
    const auto number = core::period_number(wall, *p);
    cell& c = cells_[static_cast<std::size_t>(number / core::period_step) % cells_.size()];
    if (holds_later(c, number)) return nullptr;
    return c.number.load(std::memory_order_acquire) == number ? &c : open(c, number, wall, *p);
}

quota_limit budget_book::look_ahead(const amounts& estimate, wall_time wall) noexcept {
    const cell* c = running(wall);
    if (c == nullptr) return quota_limit::none;
    const auto within = [](const auto& committed, const auto& elsewhere, std::int64_t more, const auto& limit) {
        return fits(committed.load(relaxed), elsewhere.load(relaxed), more, limit.load(relaxed));
    };
    if (!within(c->committed_tokens, c->elsewhere_tokens, estimate.tokens, limit_tokens_))
        return quota_limit::budget_tokens;
    if (!within(c->committed_money, c->elsewhere_money, estimate.money_nanos, limit_money_))
        return quota_limit::budget_money;
    return quota_limit::none;
}

quota_limit budget_book::reserve(const amounts& asked, time_point began, wall_time wall) noexcept {
    cell* c = running(wall);
    if (c == nullptr) return quota_limit::none;
    const amounts estimate = at_least_nothing(asked);
    reserves(began);
    if (!commit(c->committed_tokens, c->elsewhere_tokens, estimate.tokens, limit_tokens_.load(relaxed)))
        return quota_limit::budget_tokens;
    if (!commit(c->committed_money, c->elsewhere_money, estimate.money_nanos, limit_money_.load(relaxed))) {
        add_sat(c->committed_tokens, -estimate.tokens);
        return quota_limit::budget_money;
    }
    return quota_limit::none;
}

void budget_book::settle(const amounts& estimate, const amounts& taken, time_point began, wall_time wall) noexcept {
    cell* c = find(wall);
    if (c == nullptr) return;
    const amounts real = at_least_nothing(taken);
    const amounts reserved = has_reserved(began) ? at_least_nothing(estimate) : amounts{};
    add_sat(c->committed_tokens, real.tokens - reserved.tokens);
    add_sat(c->spent_tokens, real.tokens);
    if (real.money_nanos != reserved.money_nanos)
        add_sat(c->committed_money, real.money_nanos - reserved.money_nanos);
    if (real.money_nanos != 0) add_sat(c->spent_money, real.money_nanos);
}

void budget_book::release(const amounts& estimate, time_point began, wall_time wall) noexcept {
    if (has_reserved(began)) settle(estimate, {}, began, wall);
}

}  // namespace spillway::quota
