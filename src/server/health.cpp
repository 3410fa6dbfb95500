#include <spillway/server/health.hpp>

#include <algorithm>

namespace spillway::server {

core::availability look(const proxy::snapshot& s, const proxy::backend& b, time_point now) {
    const auto& token = s.instances[b.instance].token;
    if (token && !token->usable(now)) return {core::breaker_mode::misconfigured, false, false, now + seconds(1)};
    const auto out = core::both(b.state->breaker.view(now), s.instances[b.instance].state->view(now));
    if (!out.usable) return out;
    if (b.max_outstanding != 0 && b.state->outstanding.load(std::memory_order_relaxed) >= b.max_outstanding)
        return {core::breaker_mode::busy, false, false, now};
    return out;
}

pool_health health_of(const proxy::snapshot& s, const proxy::pool& p, time_point now) {
    pool_health best = pool_health::dead;
    for (const auto& t : p.plan.tiers)
        for (const auto& m : t.members) {
            const auto a = look(s, p.backends[m.backend], now);
            // A trial that runs, or a cap that is reached, is a sign of life.
            if (a.usable || a.mode == core::breaker_mode::half_open || a.mode == core::breaker_mode::busy)
                return pool_health::usable;
            if (a.mode == core::breaker_mode::throttled) best = pool_health::throttled;
        }
    return best;
}

std::string_view to_string(pool_health h) noexcept {
    switch (h) {
        case pool_health::usable: return "usable";
        case pool_health::throttled: return "throttled";
        case pool_health::dead: return "dead";
    }
    return "";
}

bool is_ready(const proxy::snapshot& s, time_point now) {
    for (const auto& rule : s.router.rules())
        for (const auto& share : rule.pools) {
            const auto h = health_of(s, s.pools[share.pool], now);
            if (h == pool_health::usable || (h == pool_health::throttled && s.throttled_is_ready)) return true;
        }
    return false;
}

}  // namespace spillway::server
