#include <spillway/proxy/availability.hpp>

#include <algorithm>
#include <array>

namespace spillway::proxy {

core::availability availability_of(const snapshot& s, const backend& b, time_point now, bool own_credential) {
    const auto& on = s.instances[b.instance];
    auto out = core::both(b.state->breaker.view(now), on.state->view(now));
    if (own_credential && on.token && !on.token->usable(now)) {
        // An instance whose first token is on its way is worth a wait; one whose token could not be had is not.
        out.proven = false;
        if (!on.token->starting()) {
            out.mode = core::breaker_mode::misconfigured;
            out.usable = out.trial = false;
            out.until = std::max(out.until, now + seconds(1));
            out.last_resort = time_point::max();
            return out;
        }
    }
    if (!out.usable) return out;
    if (b.max_outstanding != 0 && b.state->outstanding.load(std::memory_order_relaxed) >= b.max_outstanding) {
        out.mode = core::breaker_mode::busy;
        out.usable = out.trial = false;
        out.until = now + seconds(1);
        out.last_resort = time_point::max();
    }
    return out;
}

double capacity_of(const snapshot& s, const pool& p, time_point now, bool own_credential) {
    constexpr std::size_t most = 64;
    std::array<core::backend_capacity, most> all;
    const std::size_t n = std::min(p.backends.size(), most);
    for (std::size_t i = 0; i < n; ++i) {
        const auto& b = p.backends[i];
        const auto a = availability_of(s, b, now, own_credential);
        all[i] = b.state->capacity(a.usable && !a.trial);
        if (b.tokens_limit) all[i].limit_tokens = b.tokens_limit;
    }
    for (const auto& tier : p.plan.tiers)
        for (const auto& m : tier.members)
            if (m.backend < n) all[m.backend].weight = m.weight;
    return core::capacity_share({all.data(), n}, now);
}

}  // namespace spillway::proxy
