#include "redis_holder.hpp"

#include <algorithm>

#include <spillway/core/period.hpp>

#include "relaxed.hpp"

// The side of a shared holder that workers see.
namespace spillway::quota {
namespace {

using core::quota_limit;
using kind = verdict::kind;
constexpr duration view_lasts = milliseconds(200);     // of what is left in Redis: refused by it without asking
constexpr duration budget_lasts = milliseconds(1200);  // of what others spend
constexpr std::size_t most_asks = 4096;

wall_time begin_of(time_point began, time_point now, wall_time wall) noexcept {
    return wall - std::chrono::duration_cast<wall_clock::duration>(now - began);
}

}  // namespace

redis_holder::redis_holder(std::string name, std::shared_ptr<redis_common> common,
                           std::shared_ptr<const seed_book> seeds)
    : name_(std::move(name)),
      common_(std::move(common)),
      rates_{lease_bucket(common_->burst), lease_bucket(common_->burst)},
      budget_(name_, std::move(seeds)) {}

void redis_holder::change(const config::quota& limits) noexcept {
    limit_permits_ = limits.concurrent ? std::int64_t{*limits.concurrent} : no_limit;
    rates_[0].change(limits.requests_per_minute, common_->gateways);
    rates_[1].change(limits.tokens_per_minute, common_->gateways);
    budget_.change(limits.budget);
}

void redis_holder::touch() noexcept {
    if (!touched_.load(relaxed)) touched_.store(true, relaxed);
}

bool redis_holder::fresh(time_point now) const noexcept {
    const auto told = told_.load(relaxed);
    return told != 0 && now - time_point(duration(told)) <= view_lasts;
}

verdict redis_holder::refuse(quota_limit why, duration wait) noexcept {
    refused_.fetch_add(1, relaxed);
    verdict v{kind::refused, why, wait, std::nullopt};
    switch (why) {
        case quota_limit::concurrent: v.of_limit = limit_permits_.load(relaxed); break;
        case quota_limit::requests: v.of_limit = rates_[0].limit(); break;
        case quota_limit::tokens: v.of_limit = rates_[1].limit(); break;
        case quota_limit::budget_tokens: v.of_limit = budget_.limit_tokens(); break;
        case quota_limit::budget_money: v.of_limit = budget_.limit_money(); break;
        case quota_limit::none: break;
    }
    return v;
}

verdict redis_holder::refuse_budget(quota_limit why, wall_time wall) noexcept {
    const auto per = budget_.per();
    return refuse(why, per ? core::until_next_period(wall, *per) : duration(0));
}

// Others' sums are older than they may be, or more would be committed here without their knowledge than this
// gateway's part of half of what is left, or so little is left that it has to be counted in one place.
bool redis_holder::budget_wants_ask(const amounts& estimate, time_point now, wall_time wall) noexcept {
    const auto* c = budget_.limited() ? budget_.running(wall) : nullptr;
    if (c == nullptr) return false;
    if (now - time_point(duration(heard_.load(relaxed))) > budget_lasts) return true;
    const auto near = [&](const auto& here, const auto& elsewhere, const auto& published, std::int64_t more,
                          std::optional<std::int64_t> limit) {
        if (!limit) return false;
        const auto committed = add_sat(here.load(relaxed), more);
        const auto left = sub_sat(sub_sat(*limit, committed), elsewhere.load(relaxed));
        return left < *limit / 20 ||
               sub_sat(committed, published.load(relaxed)) > left / (2 * std::int64_t{common_->gateways});
    };
    return near(c->committed_tokens, c->elsewhere_tokens, c->published_tokens, estimate.tokens,
                budget_.limit_tokens()) ||
           near(c->committed_money, c->elsewhere_money, c->published_money, estimate.money_nanos,
                budget_.limit_money());
}

verdict redis_holder::take(const amounts& estimate, time_point now, wall_time wall) noexcept {
    touch();
    if (!reachable()) return take_share(estimate, now, now, wall);
    const std::array<std::int64_t, 2> units{1, estimate.tokens};
    const bool counts_permits = limit_permits_.load(relaxed) != no_limit;
    bool short_of = false;

    if (counts_permits && permits_.used() >= permits_.held()) {
        if (now < time_point(duration(crowded_until_.load(relaxed))))
            return refuse(quota_limit::concurrent, core::concurrency_wait);
        short_of = true;
    }
    std::array<duration, 2> waits{};
    for (std::size_t i = 0; i < 2; ++i) {
        if (rates_[i].suffices(units[i])) continue;
        short_of = true;
        // With what is leased the rest would have to come from Redis; if it surely is not there, no call is made.
        if (!fresh(now)) continue;
        const auto lease = rates_[i].lease();
        waits[i] = rates_[i].view().look_ahead(std::max<std::int64_t>(sub_sat(units[i], lease), 1), now).out.wait;
    }
    const auto wait = std::max(waits[0], waits[1]);
    if (waits[0] > duration(0)) return refuse(quota_limit::requests, wait);
    if (waits[1] > duration(0)) return refuse(quota_limit::tokens, wait);
    if (const auto why = budget_.look_ahead(estimate, wall); why != quota_limit::none)
        return refuse_budget(why, wall);
    const verdict ask{kind::ask, quota_limit::none, duration(0), std::nullopt};
    if (short_of || budget_wants_ask(estimate, now, wall)) return ask;

    if (const auto why = budget_.reserve(estimate, now, wall); why != quota_limit::none)
        return refuse_budget(why, wall);
    std::size_t taken = 0;
    while (taken < 2 && rates_[taken].take(units[taken])) ++taken;
    if (taken == 2) {
        if (!counts_permits) {
            permits_.count();
            return {};
        }
        if (permits_.take()) return {};
    }
    while (taken > 0) {
        --taken;
        rates_[taken].put(units[taken]);
    }
    budget_.release(estimate, now, wall);
    return ask;
}

verdict redis_holder::take_share(const amounts& estimate, time_point began, time_point now, wall_time wall) noexcept {
    const std::int64_t limit = limit_permits_.load(relaxed);
    const std::int64_t most = limit == no_limit ? std::numeric_limits<std::int32_t>::max()
                                                : std::max<std::int64_t>(1, limit / common_->gateways);
    const std::array<std::int64_t, 2> units{1, estimate.tokens};
    auto request = rates_[0].share().look_ahead(units[0], now);
    auto tokens = rates_[1].share().look_ahead(units[1], now);
    const auto wait = [&] { return std::max(request.out.wait, tokens.out.wait); };

    if (limit != no_limit && permits_.used() >= most) return refuse(quota_limit::concurrent, core::concurrency_wait);
    if (!request.out.granted) return refuse(quota_limit::requests, wait());
    if (!tokens.out.granted) return refuse(quota_limit::tokens, wait());
    if (const auto why = budget_.reserve(estimate, began, wall); why != quota_limit::none)
        return refuse_budget(why, wall);
    if (!rates_[0].share().take(request, units[0], now)) {
        budget_.release(estimate, began, wall);
        return refuse(quota_limit::requests, wait());
    }
    if (!rates_[1].share().take(tokens, units[1], now)) {
        rates_[0].share().settle(1, 0, now);
        budget_.release(estimate, began, wall);
        return refuse(quota_limit::tokens, wait());
    }
    if (!permits_.take_up_to(most)) {
        rates_[0].share().settle(1, 0, now);
        rates_[1].share().settle(estimate.tokens, 0, now);
        budget_.release(estimate, began, wall);
        return refuse(quota_limit::concurrent, core::concurrency_wait);
    }
    return {};
}

verdict redis_holder::take_rest(const amounts& estimate, time_point began, wall_time wall, time_point now) noexcept {
    touch();
    if (!reachable()) return take_rest_share(estimate, began, now, wall);
    auto& tokens = rates_[1];
    const bool short_of = !tokens.suffices(estimate.tokens);
    if (short_of && fresh(now)) {
        const auto more = std::max<std::int64_t>(sub_sat(estimate.tokens, tokens.lease()), 1);
        const auto wait = tokens.view().look_ahead(more, now).out.wait;
        if (wait > duration(0)) return refuse(quota_limit::tokens, wait);
    }
    if (const auto why = budget_.look_ahead(estimate, wall); why != quota_limit::none)
        return refuse_budget(why, wall);
    const verdict ask{kind::ask, quota_limit::none, duration(0), std::nullopt};
    if (short_of || budget_wants_ask(estimate, now, wall)) return ask;
    if (const auto why = budget_.reserve(estimate, began, wall); why != quota_limit::none)
        return refuse_budget(why, wall);
    if (tokens.take(estimate.tokens)) return {};
    budget_.release(estimate, began, wall);
    return ask;
}

verdict redis_holder::take_rest_share(const amounts& estimate, time_point began, time_point now,
                                      wall_time wall) noexcept {
    auto& share = rates_[1].share();
    auto tokens = share.look_ahead(estimate.tokens, now);
    if (!tokens.out.granted) return refuse(quota_limit::tokens, tokens.out.wait);
    if (const auto why = budget_.reserve(estimate, began, wall); why != quota_limit::none)
        return refuse_budget(why, wall);
    if (share.take(tokens, estimate.tokens, now)) return {};
    budget_.release(estimate, began, wall);
    return refuse(quota_limit::tokens, tokens.out.wait);
}

void redis_holder::answer_alone(redis_ask& a, time_point now) {
    now = std::max(a.now, now);
    a.answer(a.rest ? take_rest_share(a.estimate, a.now, now, a.wall) : take_share(a.estimate, a.now, now, a.wall));
}

// False: not handed over, and it is decided here.
bool redis_holder::hand_over(redis_ask a) {
    if (!reachable()) return false;
    const std::scoped_lock hold(common_->mutex);
    if (common_->stopped || common_->asks.size() >= most_asks) return false;
    common_->asks.push_back(std::move(a));
    common_->wake.notify_one();
    return true;
}

void redis_holder::ask(const amounts& estimate, time_point now, wall_time wall, std::function<void(verdict)> answer) {
    if (!hand_over({shared_from_this(), estimate, now, wall, answer})) answer(take_share(estimate, now, now, wall));
}

void redis_holder::ask_rest(const amounts& estimate, time_point began, wall_time wall, time_point now,
                            std::function<void(verdict)> answer) {
    if (!hand_over({shared_from_this(), estimate, began, wall, answer, true}))
        answer(take_rest_share(estimate, began, now, wall));
}

void redis_holder::leave() noexcept {
    touch();
    permits_.give_back();
}

void redis_holder::book(const amounts& estimate, const amounts& real, time_point began, time_point now,
                        wall_time wall) noexcept {
    touch();
    if (reachable()) {
        rates_[1].put(sub_sat(estimate.tokens, real.tokens));
    } else {
        rates_[1].share().settle(estimate.tokens, real.tokens, now);
    }
    budget_.settle(estimate, real, began, begin_of(began, now, wall));
}

void redis_holder::give_back(const amounts& estimate, time_point began, time_point now, wall_time wall) noexcept {
    touch();
    permits_.give_back();
    if (reachable()) {
        rates_[0].put(1);
        rates_[1].put(estimate.tokens);
    } else {
        rates_[0].share().settle(1, 0, now);
        rates_[1].share().settle(estimate.tokens, 0, now);
    }
    budget_.release(estimate, began, begin_of(began, now, wall));
}

quota::remaining redis_holder::remaining(time_point now) const noexcept {
    return {rates_[0].limit(),
            rates_[0].left(now),
            rates_[1].limit(),
            rates_[1].left(now),
            rates_[0].view().until_full(now),
            rates_[1].view().until_full(now)};
}

holder::state redis_holder::look(time_point now, wall_time wall) const {
    state s;
    s.name = name_;
    s.left = remaining(now);
    s.concurrent = permits_.used();
    if (const auto limit = limit_permits_.load(relaxed); limit != no_limit) s.limit_concurrent = limit;
    s.limit_budget_tokens = budget_.limit_tokens();
    s.limit_budget_money_nanos = budget_.limit_money();
    s.refused = refused_.load(relaxed);
    s.alone = alone();
    if (const auto* c = budget_.limited() ? budget_.running(wall) : nullptr) {
        s.budget_tokens = add_sat(c->spent_tokens.load(relaxed), c->elsewhere_tokens.load(relaxed));
        s.budget_money_nanos = add_sat(c->spent_money.load(relaxed), c->elsewhere_money.load(relaxed));
        s.budget_tokens_here = c->spent_tokens.load(relaxed);
        s.budget_money_nanos_here = c->spent_money.load(relaxed);
        s.period = core::period_key(wall, budget_.per().value_or(config::period::month));
        const std::scoped_lock hold(spenders_mutex_);
        s.others = spenders_;
    }
    return s;
}

void redis_holder::reset() noexcept {
    for (auto& r : rates_) r.reset();
    for (auto& c : budget_.cells()) {
        c.elsewhere_tokens.store(0, relaxed);
        c.elsewhere_money.store(0, relaxed);
    }
    told_.store(0, relaxed);
    crowded_until_.store(0, relaxed);
    reset_wanted_.store(true, relaxed);
}

}  // namespace spillway::quota
