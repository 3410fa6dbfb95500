#include "memory_holder.hpp"

#include <algorithm>

#include <spillway/core/period.hpp>

namespace spillway::quota {

using core::quota_limit;

memory_holder::memory_holder(std::string name, duration burst, std::shared_ptr<const seed_book> seeds)
    : name_(std::move(name)), requests_(burst), tokens_(burst), budget_(name_, std::move(seeds)) {}

void memory_holder::change(const config::quota& limits) noexcept {
    concurrent_.change(limits.concurrent);
    requests_.change(limits.requests_per_minute);
    tokens_.change(limits.tokens_per_minute);
    budget_.change(limits.budget);
}

verdict memory_holder::refuse(quota_limit why, duration wait) noexcept {
    refused_.fetch_add(1, std::memory_order_relaxed);
    verdict v{verdict::kind::refused, why, wait, std::nullopt};
    switch (why) {
        case quota_limit::concurrent: v.of_limit = concurrent_.limit(); break;
        case quota_limit::requests: v.of_limit = requests_.limit(); break;
        case quota_limit::tokens: v.of_limit = tokens_.limit(); break;
        case quota_limit::budget_tokens: v.of_limit = budget_.limit_tokens(); break;
        case quota_limit::budget_money: v.of_limit = budget_.limit_money(); break;
        case quota_limit::none: break;
    }
    return v;
}

verdict memory_holder::refuse_budget(quota_limit why, wall_time wall) noexcept {
    const auto per = budget_.per();
    return refuse(why, per ? core::until_next_period(wall, *per) : duration(0));
}

// Looks at everything first: a request that will be refused must not hold, not even for a moment, what another one
// could have. Only what changes between the look and the taking is rolled back.
verdict memory_holder::take(const amounts& estimate, time_point now, wall_time wall) noexcept {
    auto request = requests_.look_ahead(1, now);
    auto tokens = tokens_.look_ahead(estimate.tokens, now);
    const auto wait = [&] { return std::max(request.out.wait, tokens.out.wait); };

    if (!concurrent_.any_left()) return refuse(quota_limit::concurrent, core::concurrency_wait);
    if (!request.out.granted) return refuse(quota_limit::requests, wait());
    if (!tokens.out.granted) return refuse(quota_limit::tokens, wait());
    if (const auto why = budget_.reserve(estimate, now, wall); why != quota_limit::none)
        return refuse_budget(why, wall);

    if (!concurrent_.take()) {
        budget_.release(estimate, now, wall);
        return refuse(quota_limit::concurrent, core::concurrency_wait);
    }
    if (!requests_.take(request, 1, now)) {
        concurrent_.give_back();
        budget_.release(estimate, now, wall);
        return refuse(quota_limit::requests, wait());
    }
    if (!tokens_.take(tokens, estimate.tokens, now)) {
        requests_.settle(1, 0, now);
        concurrent_.give_back();
        budget_.release(estimate, now, wall);
        return refuse(quota_limit::tokens, wait());
    }
    return {};
}

void memory_holder::ask(const amounts& estimate, time_point now, wall_time wall,
                        std::function<void(verdict)> answer) {
    answer(take(estimate, now, wall));
}

verdict memory_holder::take_rest(const amounts& estimate, time_point began, wall_time wall, time_point now) noexcept {
    auto tokens = tokens_.look_ahead(estimate.tokens, now);
    if (!tokens.out.granted) return refuse(quota_limit::tokens, tokens.out.wait);
    if (const auto why = budget_.reserve(estimate, began, wall); why != quota_limit::none)
        return refuse_budget(why, wall);
    if (tokens_.take(tokens, estimate.tokens, now)) return {};
    budget_.release(estimate, began, wall);
    return refuse(quota_limit::tokens, tokens.out.wait);
}

void memory_holder::ask_rest(const amounts& estimate, time_point began, wall_time wall, time_point now,
                             std::function<void(verdict)> answer) {
    answer(take_rest(estimate, began, wall, now));
}

void memory_holder::leave() noexcept { concurrent_.give_back(); }

void memory_holder::book(const amounts& estimate, const amounts& real, time_point began, time_point now,
                         wall_time wall) noexcept {
    tokens_.settle(estimate.tokens, real.tokens, now);
    budget_.settle(estimate, real, began, wall - std::chrono::duration_cast<wall_clock::duration>(now - began));
}

void memory_holder::give_back(const amounts& estimate, time_point began, time_point now, wall_time wall) noexcept {
    concurrent_.give_back();
    requests_.settle(1, 0, now);
    tokens_.settle(estimate.tokens, 0, now);
    budget_.release(estimate, began, wall - std::chrono::duration_cast<wall_clock::duration>(now - began));
}

quota::remaining memory_holder::remaining(time_point now) const noexcept {
    return {requests_.limit(), requests_.left(now),       tokens_.limit(),
            tokens_.left(now), requests_.until_full(now), tokens_.until_full(now)};
}

holder::state memory_holder::look(time_point now, wall_time wall) const {
    state s;
    s.name = name_;
    s.left = remaining(now);
    s.concurrent = concurrent_.taken();
    s.limit_concurrent = concurrent_.limit();
    s.limit_budget_tokens = budget_.limit_tokens();
    s.limit_budget_money_nanos = budget_.limit_money();
    s.refused = refused_.load(std::memory_order_relaxed);
    if (const auto* spent = budget_.limited() ? budget_.running(wall) : nullptr) {
        s.budget_tokens = spent->spent_tokens.load(std::memory_order_relaxed);
        s.budget_money_nanos = spent->spent_money.load(std::memory_order_relaxed);
        s.budget_tokens_here = s.budget_tokens;
        s.budget_money_nanos_here = s.budget_money_nanos;
        s.period = core::period_key(wall, budget_.per().value_or(config::period::month));
    }
    return s;
}

}  // namespace spillway::quota
