#include "budget_book.hpp"

#include <algorithm>

#include <spillway/core/period.hpp>

namespace spillway::shared {
namespace {

using core::quota_limit;
constexpr auto relaxed = std::memory_order_relaxed;

std::int64_t bounded(std::uint64_t n) noexcept {
    return static_cast<std::int64_t>(std::min<std::uint64_t>(n, std::numeric_limits<std::int64_t>::max() - 1));
}

bool commit(std::atomic<std::int64_t>& committed, const std::atomic<std::int64_t>& elsewhere, std::int64_t estimate,
            std::int64_t limit) noexcept {
    std::int64_t before = committed.load(relaxed);
    do {
        if (!core::within_budget(before + elsewhere.load(relaxed), estimate, limit)) return false;
    } while (!committed.compare_exchange_weak(before, before + estimate, relaxed));
    return true;
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

budget_book::cell* budget_book::open(cell& c, std::int64_t number, wall_time wall, config::period p) noexcept {
    const std::scoped_lock hold(opening_);
    if (c.number.load(relaxed) == number) return &c;
    const auto before = seeds_->find(holder_, core::period_key(wall, p));
    for (auto* sum : {&c.committed_tokens, &c.spent_tokens, &c.seeded_tokens, &c.published_tokens})
        sum->store(before.tokens, relaxed);
    for (auto* sum : {&c.committed_money, &c.spent_money, &c.seeded_money, &c.published_money})
        sum->store(before.money_nanos, relaxed);
    for (auto* sum : {&c.elsewhere_tokens, &c.elsewhere_money}) sum->store(0, relaxed);
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
        return core::within_budget(committed.load(relaxed) + elsewhere.load(relaxed), more, limit.load(relaxed));
    };
    if (!within(c->committed_tokens, c->elsewhere_tokens, estimate.tokens, limit_tokens_))
        return quota_limit::budget_tokens;
    if (!within(c->committed_money, c->elsewhere_money, estimate.money_nanos, limit_money_))
        return quota_limit::budget_money;
    return quota_limit::none;
}

quota_limit budget_book::reserve(const amounts& estimate, time_point began, wall_time wall) noexcept {
    cell* c = running(wall);
    if (c == nullptr) return quota_limit::none;
    reserves(began);
    if (!commit(c->committed_tokens, c->elsewhere_tokens, estimate.tokens, limit_tokens_.load(relaxed)))
        return quota_limit::budget_tokens;
    if (!commit(c->committed_money, c->elsewhere_money, estimate.money_nanos, limit_money_.load(relaxed))) {
        c->committed_tokens.fetch_sub(estimate.tokens, relaxed);
        return quota_limit::budget_money;
    }
    return quota_limit::none;
}

void budget_book::settle(const amounts& estimate, const amounts& real, time_point began, wall_time wall) noexcept {
    cell* c = find(wall);
    if (c == nullptr) return;
    const amounts reserved = has_reserved(began) ? estimate : amounts{};
    c->committed_tokens.fetch_add(real.tokens - reserved.tokens, relaxed);
    c->spent_tokens.fetch_add(real.tokens, relaxed);
    if (real.money_nanos != reserved.money_nanos)
        c->committed_money.fetch_add(real.money_nanos - reserved.money_nanos, relaxed);
    if (real.money_nanos != 0) c->spent_money.fetch_add(real.money_nanos, relaxed);
}

void budget_book::release(const amounts& estimate, time_point began, wall_time wall) noexcept {
    if (has_reserved(began)) settle(estimate, {}, began, wall);
}

}  // namespace spillway::shared
