#pragma once

#include <map>

#include <gtest/gtest.h>

#include "fake_pool.hpp"

namespace spillway::core {

inline constexpr time_point start = time_point(hours(1));
using kind = action::kind;

inline outcome response(int status, std::optional<duration> told = {}) {
    outcome o;
    o.status = status;
    o.told = told;
    o.has_retry_after = told.has_value();
    return o;
}
// One exchange on a pool of `n` backends, each with a priority of its own, so that the order is known.
struct lab {
    explicit lab(std::size_t n, retry_policy with = {}, request_facts f = {}) : view(n), retry(with), facts(f) {
        std::vector<plan_member> members;
        for (std::size_t i = 0; i < n; ++i) members.push_back({static_cast<std::uint32_t>(i + 1), 1});
        plan = make_plan(members, {}, &weighted_random);
        balance = make_balancer_state(plan);
        facts.began = start;
    }
    exchange_machine& machine() {
        if (!made) made.emplace(plan, retry, breaker, deadlines, facts);
        return *made;
    }
    exchange_machine::world world() { return {view, balance, budget, evidence, random}; }
    action begin() { return machine().start(now, world()); }
    action then(const outcome& o, duration later = milliseconds(10)) {
        now += later;
        last_effect = machine().on_outcome(o, world());
        return machine().next(now, world());
    }
    // What the end of the exchange settles, by backend.
    std::map<std::size_t, effect> settled() {
        std::map<std::size_t, effect> out;
        while (const auto e = machine().next_effect()) out.emplace(e->backend, *e);
        return out;
    }

    fake_pool view;
    retry_policy retry;
    request_facts facts;
    breaker_policy breaker;
    exchange_deadlines deadlines;
    pool_plan plan;
    balancer_state balance;
    retry_budget budget{0.2};
    pool_evidence evidence;
    random_source random{1};
    time_point now{start};
    effect last_effect;
    std::optional<exchange_machine> made;
};

}  // namespace spillway::core
