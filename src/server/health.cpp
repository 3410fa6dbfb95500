#include <spillway/server/health.hpp>

#include <algorithm>

namespace spillway::server {

core::availability look(const proxy::snapshot& s, const proxy::backend& b, time_point now, bool own_credential) {
    const auto& token = s.instances[b.instance].token;
    if (own_credential && token && !token->usable(now))
        return {core::breaker_mode::misconfigured, false, false, now + seconds(1)};
    const auto out = core::both(b.state->breaker.view(now), s.instances[b.instance].state->view(now));
    if (!out.usable) return out;
    if (b.max_outstanding != 0 && b.state->outstanding.load(std::memory_order_relaxed) >= b.max_outstanding)
        return {core::breaker_mode::busy, false, false, now};
    return out;
}

pool_health health_of(const proxy::snapshot& s, const proxy::pool& p, time_point now, bool own_credential) {
    pool_health best = pool_health::dead;
    for (const auto& t : p.plan.tiers)
        for (const auto& m : t.members) {
            const auto a = look(s, p.backends[m.backend], now, own_credential);
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
    const auto& rules = s.router.rules();
    for (std::size_t i = 0; i < rules.size(); ++i)
        for (const auto& share : rules[i].pools) {
            const auto h = health_of(s, s.pools[share.pool], now, !s.route_passes_token[i]);
            if (h == pool_health::usable || (h == pool_health::throttled && s.throttled_is_ready)) return true;
        }
    return false;
}

}  // namespace spillway::server
