#include <spillway/core/selector.hpp>

#include <algorithm>
#include <map>
#include <tuple>

#include <spillway/base/text.hpp>

namespace spillway::core {

std::uint32_t distance_of(std::string_view region, std::string_view own,
                          std::span<const std::string> others) noexcept {
    if (!own.empty() && region == own) return 0;
    const auto at = std::find(others.begin(), others.end(), region);
    return 1 + static_cast<std::uint32_t>(at - others.begin());
}

pool_plan make_plan(std::span<const plan_member> members, config::preference prefer, balancer algorithm) {
    using config::preference;
    std::map<std::pair<std::uint32_t, std::uint32_t>, tier> ordered;  // what decides first, what decides then
    for (std::size_t i = 0; i < members.size(); ++i) {
        const auto& m = members[i];
        if (m.weight == 0 || (prefer == preference::region_only && m.distance != 0)) continue;
        const std::uint32_t distance = prefer == preference::none ? 0 : m.distance;
        auto& t =
            prefer == preference::region_first ? ordered[{distance, m.priority}] : ordered[{m.priority, distance}];
        t.priority = m.priority;
        t.members.push_back({i, m.weight});
    }
    pool_plan out;
    out.algorithm = algorithm;
    out.backends = members.size();
    for (auto& [key, t] : ordered) {
        const auto& best = ordered.begin()->first;
        // Inside one priority another region is as welcome, only farther.
        t.spillover = key.first != best.first || (prefer == preference::region_first && key.second != best.second);
        out.tiers.push_back(std::move(t));
    }
    return out;
}

bool asks(const pool_plan& plan, std::size_t backend) noexcept {
    const auto is_it = [&](const tier::member& m) { return m.backend == backend; };
    return std::any_of(plan.tiers.begin(), plan.tiers.end(),
                       [&](const tier& t) { return std::any_of(t.members.begin(), t.members.end(), is_it); });
}

balancer_state make_balancer_state(const pool_plan& plan) { return {std::vector<std::int64_t>(plan.backends)}; }

namespace {

// Few pools have more backends than this in one tier; those that do cost an allocation a pick.
constexpr std::size_t usual = 32;

struct usable_members {
    std::array<candidate, usual> few;
    std::array<bool, usual> few_trials{};
    std::vector<candidate> many;
    std::vector<bool> many_trials;
    std::size_t size{0};

    void add(const candidate& c, bool trial) {
        if (size < usual) {
            few[size] = c;
            few_trials[size] = trial;
        } else {
            if (many.empty()) {
                many.assign(few.begin(), few.end());
                many_trials.assign(few_trials.begin(), few_trials.end());
            }
            many.push_back(c);
            many_trials.push_back(trial);
        }
        ++size;
    }
    std::span<const candidate> all() const { return many.empty() ? std::span(few.data(), size) : std::span(many); }
    bool trial(std::size_t i) const { return many.empty() ? few_trials[i] : many_trials[i]; }
};

// A backend back this soon is worth waiting for; a sick backend is not tried instead.
constexpr duration soon = seconds(1);

// Back-pressure is no illness.
bool is_sick(const availability& a) noexcept {
    return a.mode != breaker_mode::throttled && a.mode != breaker_mode::busy;
}

// The sick backend that may be tried first, and when, if none is usable or about to be that this exchange has not
// tried. One that is open by name only, and fails, must not keep those from being tried that are back.
struct last_resort {
    std::size_t backend{0};
    time_point at{time_point::max()};
};
std::optional<last_resort> find_last_resort(const pool_plan& plan, const tried_set& tried, const pool_view& view,
                                            time_point now) {
    last_resort out;
    for (const auto& t : plan.tiers)
        for (const auto& m : t.members) {
            const auto a = view.look(m.backend, now);
            const bool sick = is_sick(a);
            if (tried.contains(m.backend)) continue;
            if (a.usable || (!sick && a.until <= now + soon)) return std::nullopt;
            if (sick && a.last_resort < out.at) out = {m.backend, a.last_resort};
        }
    if (out.at == time_point::max()) return std::nullopt;
    return out;
}

// The instance that keeps an object serves also what new requests are kept from: another region, weight 0.
selection select_on(std::size_t instance, std::size_t backends, const tried_set& tried, pool_view& view,
                    time_point now) {
    for (std::size_t b = 0; b < backends; ++b) {
        if (view.instance_of(b) != instance || tried.contains(b)) continue;
        const auto a = view.look(b, now);
        if (a.usable && !a.trial) return {b, false, {}, false, false};
    }
    for (std::size_t b = 0; b < backends; ++b) {
        if (view.instance_of(b) != instance || tried.contains(b)) continue;
        const auto a = view.look(b, now);
        const bool last = !a.usable && is_sick(a) && a.last_resort <= now;
        if (!a.usable && !last) continue;
        if (const claim got = view.claim(b, now, last); got.good) return {b, true, got, false, last};
    }
    return {};
}

// Rendezvous: each client has an order of all instances of its own, and the loss of one moves only what was there.
std::size_t home_of(std::span<const candidate> all, const pool_view& view, std::uint64_t home) noexcept {
    std::size_t best = 0;
    std::uint64_t most = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto h = text::mix(home ^ text::mix(view.hash_of_instance(all[i].backend)));
        if (i == 0 || h > most) best = i;
        most = std::max(most, h);
    }
    return best;
}

}  // namespace

selection select(const pool_plan& plan, const tried_set& tried, pool_view& view, balancer_state& state,
                 time_point now, random_source& random, std::uint64_t affinity, const placement& where) {
    if (tried.full()) return {};
    if (where.instance) return select_on(*where.instance, plan.backends, tried, view, now);
    for (const auto& t : plan.tiers) {
        // A lost claim changes what look() says, so the tier is looked at anew, once for each member at most.
        for (std::size_t round = 0; round <= t.members.size(); ++round) {
            usable_members usable;
            for (const auto& m : t.members) {
                if (tried.contains(m.backend)) continue;
                const auto a = view.look(m.backend, now);
                if (!a.usable) continue;
                usable.add({m.backend, m.weight, view.outstanding(m.backend), view.latency(m.backend, now)}, a.trial);
            }
            if (usable.size == 0) break;
            const auto all = usable.all();
            const std::size_t at = all.size() == 1   ? 0
                                   : where.home != 0 ? home_of(all, view, where.home)
                                                     : plan.algorithm({all, state, random, affinity});
            claim got;
            if (usable.trial(at)) got = view.claim(all[at].backend, now, false);
            if (usable.trial(at) && !got.good) continue;
            return {all[at].backend, usable.trial(at), got, t.spillover, false};
        }
    }
    const auto last = find_last_resort(plan, tried, view, now);
    if (!last || last->at > now) return {};
    const claim got = view.claim(last->backend, now, true);
    if (!got.good) return {};
    return {last->backend, true, got, false, true};
}

exhaustion look_at_all(const pool_plan& plan, const pool_view& view, time_point now,
                       std::optional<std::size_t> instance) {
    exhaustion out;
    bool any = false;
    if (instance) {
        for (std::size_t b = 0; b < plan.backends; ++b) {
            if (view.instance_of(b) != *instance) continue;
            any = true;
            const auto a = view.look(b, now);
            out.all_throttled = out.all_throttled && a.mode == breaker_mode::throttled;
            const time_point at = a.usable ? now : is_sick(a) ? std::min(a.until, a.last_resort) : a.until;
            if (!out.earliest || at < *out.earliest) out.earliest = at;
        }
        out.all_throttled = out.all_throttled && any;
        return out;
    }
    for (const auto& t : plan.tiers)
        for (const auto& m : t.members) {
            any = true;
            const auto a = view.look(m.backend, now);
            out.all_throttled = out.all_throttled && a.mode == breaker_mode::throttled;
            const time_point at = a.usable ? now : a.until;
            if (!out.earliest || at < *out.earliest) out.earliest = at;
        }
    out.all_throttled = out.all_throttled && any;
    // A later exchange may also ask those that this one has tried.
    if (const auto last = find_last_resort(plan, {}, view, now); last && out.earliest)
        out.earliest = std::min(*out.earliest, last->at);
    return out;
}

}  // namespace spillway::core
