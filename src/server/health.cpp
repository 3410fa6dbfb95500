#include <spillway/server/health.hpp>

#include <algorithm>

namespace spillway::server {

pool_health health_of(const proxy::snapshot& s, const proxy::pool& p, time_point now, bool own_credential) {
    pool_health best = pool_health::dead;
    for (const auto& t : p.plan.tiers)
        for (const auto& m : t.members) {
            const auto a = proxy::availability_of(s, p.backends[m.backend], now, own_credential);
            // Requests of a pool that is proved and still open go there as its last resort.
            if (a.mode == core::breaker_mode::throttled) best = pool_health::throttled;
            else if (a.proven) return pool_health::usable;
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

bool is_route_ready(const proxy::snapshot& s, std::size_t route, time_point now) {
    for (const auto& share : s.router.rules()[route].pools) {
        const auto h = health_of(s, s.pools[share.pool], now, !s.route(route).passthrough);
        if (h == pool_health::usable || (h == pool_health::throttled && s.tree->health.throttled_is_ready))
            return true;
    }
    return false;
}

bool is_ready(const proxy::snapshot& s, time_point now) {
    const auto serves = [&](std::size_t route) { return is_route_ready(s, route, now); };
    if (!s.required_routes.empty()) return std::all_of(s.required_routes.begin(), s.required_routes.end(), serves);
    for (std::size_t i = 0; i < s.router.rules().size(); ++i)
        if (serves(i)) return true;
    return false;
}

bool publish_health(const proxy::snapshot& s, time_point now) {
    for (std::size_t i = 0; i < s.route_names.size(); ++i)
        s.route_ready[i].store(is_route_ready(s, i, now), std::memory_order_relaxed);
    return is_ready(s, now);
}

}  // namespace spillway::server
