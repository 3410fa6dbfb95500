#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include <spillway/core/period.hpp>
#include <spillway/quota/holder.hpp>

#include "redis_server.hpp"

namespace spillway::quota {

// Waits for what another thread or process does; decides nothing by itself.
template <class F>
bool eventually(F holds, duration most = seconds(8)) {
    for (const auto end = clock::now() + most; clock::now() < end; std::this_thread::sleep_for(milliseconds(5)))
        if (holds()) return true;
    return holds();
}

struct gateway {
    std::unique_ptr<store> s;
    std::shared_ptr<holder> h;
    std::shared_ptr<std::atomic<int>> alarms{std::make_shared<std::atomic<int>>(0)};

    verdict take(amounts a) const { return take_at(a, clock::now(), wall_clock::now()); }
    verdict take_at(amounts a, time_point now, wall_time wall) const {
        const auto v = h->take(a, now, wall);
        if (v.what != verdict::kind::ask) return v;
        auto answer = std::make_shared<std::promise<verdict>>();
        auto told = answer->get_future();
        h->ask(a, now, wall, [answer](verdict late) { answer->set_value(late); });
        return told.get();
    }
    void settle(amounts estimate, amounts real) const {
        h->settle(estimate, real, clock::now(), clock::now(), wall_clock::now());
    }
    holder::state look() const { return h->look(clock::now(), wall_clock::now()); }
};

inline gateway opened(const std::string& url, const std::string& name, const config::quota& q,
                      std::uint32_t gateways = 3, const std::string& password = {}, bool wait = true,
                      std::int64_t seed = 0) {
    gateway g;
    opening with;
    with.settings.store = url;
    with.settings.burst = seconds(2);
    with.settings.gateways = gateways;
    with.gateway = name;
    with.password = password;
    with.alarm = [n = g.alarms](const std::string&) { ++*n; };
    g.s = std::move(open(std::move(with)).value());
    if (seed > 0) g.s->seed("client:shop", core::period_key(wall_clock::now(), config::period::month), seed, 0);
    g.h = g.s->get("client:shop", q);
    if (wait && !eventually([&] { return g.s->look().up; })) ADD_FAILURE() << g.s->look().last_error;
    return g;
}

inline config::quota rates(std::optional<std::uint32_t> requests, std::optional<std::uint64_t> tokens) {
    config::quota q;
    q.requests_per_minute = requests;
    q.tokens_per_minute = tokens;
    return q;
}

inline config::quota permits(std::uint32_t n) {
    config::quota q;
    q.concurrent = n;
    return q;
}

inline config::quota budget(std::uint64_t tokens) {
    config::quota q;
    q.budget = config::budget{tokens, std::nullopt, config::period::month};
    return q;
}

}  // namespace spillway::quota
