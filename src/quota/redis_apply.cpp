#include <algorithm>

#include "redis_holder.hpp"
#include "relaxed.hpp"

// The side of a shared holder that the store's thread works on: what is answered.
namespace spillway::quota {
namespace {

using core::quota_limit;
constexpr duration crowded = milliseconds(50);
constexpr std::int64_t least_minutes = 10;  // of a rate, that a Redis without memory is told at most beside the burst

// By Redis' clock, in us; states live for a day after they were used last.
bool is_plausible(std::int64_t born, wall_time wall) noexcept {
    const auto now = std::chrono::duration_cast<microseconds>(wall.time_since_epoch());
    return microseconds(born) > now - hours(24 * 400) && microseconds(born) < now + hours(24);
}

std::int64_t ns(time_point t) noexcept { return t.time_since_epoch().count(); }

}  // namespace

verdict redis_holder::decide(redis_call& c, const redis_told& t, time_point now) {
    const auto why = t.why;
    const bool fits = c.with_permits ? permits_.granted(t.permits, why == quota_limit::none && !c.rest) : true;
    if (why == quota_limit::none && fits) {
        if (!c.with_permits && !c.rest) permits_.count();
        for (std::size_t i = 0; i < 2; ++i) rates_[i].count(c.need[i]);
        return {};
    }
    undo(c);
    if (why == quota_limit::none || why == quota_limit::concurrent) {
        for (std::size_t i = 0; i < 2 && why == quota_limit::none; ++i) rates_[i].put(c.need[i]);
        crowded_until_.store(ns(now + crowded), relaxed);
        return refuse(quota_limit::concurrent, core::concurrency_wait);
    }
    if (why == quota_limit::requests || why == quota_limit::tokens)
        return refuse(why, std::max(t.rates[0].wait, t.rates[1].wait));
    return refuse_budget(why, c.wall);
}

// Another generation than before: an operator has declared void what was told so far.
void redis_holder::follow_generation(std::int64_t told) noexcept {
    if (told == generation_) return;
    const bool known = generation_ != 0 || told_.load(relaxed) != 0;
    generation_ = told;
    if (!known) return;
    pages_.forget_heard();
    least_ = {};
    for (auto& r : rates_) r.reset();
}

void redis_holder::learn(redis_call& c, const redis_told& t, time_point now) {
    if (c.page == nullptr || !t.budget || c.page->number != c.cell->number.load(std::memory_order_acquire)) return;
    c.page->told = c.told;
    c.page->told_total = c.told_total;
    if (c.retold) c.page->retell = false;
    const auto sum = [](std::int64_t spent, std::int64_t reserved, const auto& seeded) {
        return add_sat(add_sat(spent, reserved), seeded.load(relaxed));
    };
    c.cell->published_tokens.store(sum(c.told[0], c.told[2], c.cell->seeded_tokens), relaxed);
    c.cell->published_money.store(sum(c.told[1], c.told[3], c.cell->seeded_money), relaxed);
    redis_budget::learn(*c.page, *c.cell, t);
    heard_.store(ns(now), relaxed);
    std::vector<spender> others;
    others.reserve(c.page->known.size());
    for (const auto& [name, sums] : c.page->known)
        others.push_back(
            {name.substr(0, name.size() - std::min<std::size_t>(name.size(), 1)), sums.tokens, sums.money});
    const std::scoped_lock hold(spenders_mutex_);
    spenders_ = std::move(others);
}

void redis_holder::apply(redis_call& c, const redis_answer& a, time_point now) {
    const auto t = read_told(a, c.bounds);
    if (!t) return failed(c, now);
    if (alone()) recover(now);
    if (c.reset) reset_wanted_.store(false, relaxed);
    // A later birth: Redis lost its data, so the next call tells it what is known to be taken.
    // A birth far in the past or future is ignored: else the next true one would count as a loss.
    const bool plausible = is_plausible(t->born, c.wall);
    const bool lost = plausible && born_ != 0 && t->born > born_;
    if (plausible) born_ = t->born;
    for (std::size_t i = 0; i < 2; ++i) {
        const auto most = add_sat(c.bounds.rates[i].burst, mul_sat(rates_[i].limit().value_or(0), least_minutes));
        least_[i] = lost && !c.reset ? std::min(rates_[i].view().used(now), most) : 0;
    }
    const bool void_before = t->generation != generation_;
    follow_generation(t->generation);
    for (std::size_t i = 0; i < 2; ++i) {
        rates_[i].put(t->rates[i].more);
        rates_[i].view().set_left(t->rates[i].left, now);
    }
    told_.store(ns(now), relaxed);
    learn(c, *t, now);
    if (void_before) pages_.forget_told();
    told_permits_ = t->permits;
    if (c.answer) {
        if (!c.rest) --asking_;
        c.answer(decide(c, *t, now));
    } else if (c.with_permits) {
        permits_.granted(t->permits, false);
    }
}

void redis_holder::failed(redis_call& c, time_point now) {
    for (std::size_t i = 0; i < 2; ++i) rates_[i].put(std::min<std::int64_t>(c.back[i], 0));
    if (!c.answer) return;
    if (!c.rest) --asking_;
    undo(c);
    now = std::max(c.now, now);
    c.answer(c.rest ? take_rest_share(c.estimate, c.now, now, c.wall) : take_share(c.estimate, c.now, now, c.wall));
}

bool redis_holder::refused(redis_call& c, time_point now) {
    const bool was_well = !alone_.exchange(true, relaxed);
    if (was_well) {
        for (auto& r : rates_) r.went_down(common_->gateways, now);
        if (now - well_since_ > back_off_ + seconds(1)) back_off_ = duration(0);
    }
    if (now >= retry_at_) {
        back_off_ = std::clamp(back_off_ * 2, first_back_off, last_back_off);
        retry_at_ = now + back_off_;
    }
    failed(c, now);
    return was_well;
}

void redis_holder::recover(time_point now) {
    came_up(now);
    well_since_ = now;
}

void redis_holder::went_down(time_point now) {
    if (alone_.exchange(false, relaxed)) return;  // it has decided by its share so far
    for (auto& r : rates_) r.went_down(common_->gateways, now);
}

void redis_holder::came_up(time_point now) {
    alone_.store(false, relaxed);
    for (auto& r : rates_) r.came_up(now);
    pages_.forget_told();
    told_permits_ = -1;
    heard_.store(0, relaxed);
}

}  // namespace spillway::quota
