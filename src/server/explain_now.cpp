#include "explain_now.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>

#include <spillway/proxy/availability.hpp>

namespace spillway::server {
namespace {

using json = nlohmann::json;

// The pool as requests see it, except that nothing is taken: no request is sent.
class pool_now final : public core::pool_view {
public:
    pool_now(const proxy::snapshot& all, const proxy::pool& of, bool own_credential)
        : all_(all), pool_(of), own_credential_(own_credential) {}

    core::availability look(std::size_t i, time_point now) const override {
        return proxy::availability_of(all_, pool_.backends[i], now, own_credential_);
    }
    std::uint32_t outstanding(std::size_t i) const override {
        return pool_.backends[i].state->outstanding.load(std::memory_order_relaxed);
    }
    double latency(std::size_t i, time_point now) const override { return pool_.backends[i].state->latency(now); }
    core::claim claim(std::size_t, time_point, bool) override { return {true, false, false}; }
    bool can_renew(std::size_t) const override { return false; }
    std::size_t instance_of(std::size_t i) const override { return pool_.backends[i].instance; }

private:
    const proxy::snapshot& all_;
    const proxy::pool& pool_;
    bool own_credential_;
};

// One attempt after the other, as an exchange whose attempts all fail would make them.
std::vector<core::selection> turns_of(const proxy::pool& p, pool_now& view, std::uint64_t affinity, time_point now) {
    std::vector<core::selection> out;
    core::tried_set tried;
    auto state = core::make_balancer_state(p.plan);
    random_source random(static_cast<std::uint64_t>(now.time_since_epoch().count()));
    const auto most = std::max<std::size_t>(p.retry.attempts, 1);
    while (out.size() < most) {
        const auto s = core::select(p.plan, tried, view, state, now, random, affinity);
        if (!s.backend) break;
        tried.add(*s.backend);
        out.push_back(s);
    }
    return out;
}

std::string seconds_text(double s) {
    char out[32];
    std::snprintf(out, sizeof out, "%.1f s", std::max(0.0, s));
    return out;
}

std::size_t tier_of(const core::pool_plan& plan, std::size_t backend) {
    for (std::size_t i = 0; i < plan.tiers.size(); ++i)
        for (const auto& m : plan.tiers[i].members)
            if (m.backend == backend) return i;
    return plan.tiers.size();
}

// Why the backend is not asked first; `first` is, if any.
std::string why_not_first(const proxy::pool& p, std::size_t backend, const core::selection* first,
                          const core::availability& a, time_point now) {
    if (!a.usable) {
        std::string out(core::to_string(a.mode));
        if (a.mode == core::breaker_mode::busy) return out + ": as many requests as it may have are in flight";
        return out + " for " + seconds_text(seconds_between(now, a.until)) + " more";
    }
    const auto mine = tier_of(p.plan, backend);
    if (first == nullptr) return "it is not asked";
    const auto& name = p.backends[*first->backend].name;
    if (tier_of(p.plan, *first->backend) == mine)
        return "as welcome as " + name + ", which the balancer picks this time";
    return "comes after " + name;
}

}  // namespace

json explain_now(const proxy::snapshot& s, const proxy::pool& p, bool own_credential, std::uint64_t affinity,
                 time_point now) {
    pool_now view(s, p, own_credential);
    const auto turns = turns_of(p, view, affinity, now);
    const core::selection* const first = turns.empty() ? nullptr : &turns.front();
    json out{
        {"first", nullptr}, {"others", json::array()}, {"capacity", proxy::capacity_of(s, p, now, own_credential)}};
    if (first != nullptr)
        out["first"] = {{"backend", p.backends[*first->backend].name},
                        {"trial", first->trial},
                        {"last_resort", first->last_resort}};
    for (const auto& t : p.plan.tiers)
        for (const auto& m : t.members) {
            if (first != nullptr && *first->backend == m.backend) continue;
            const auto a = view.look(m.backend, now);
            json one{{"backend", p.backends[m.backend].name},
                     {"state", core::to_string(a.mode)},
                     {"usable", a.usable},
                     {"because", why_not_first(p, m.backend, first, a, now)},
                     {"turn", nullptr}};
            const auto at = std::find_if(turns.begin(), turns.end(),
                                         [&](const core::selection& x) { return *x.backend == m.backend; });
            if (at != turns.end()) one["turn"] = at - turns.begin() + 1;
            out["others"].push_back(std::move(one));
        }
    return out;
}

}  // namespace spillway::server
