#include <spillway/server/probe_schedule.hpp>

#include "status_usage.hpp"

namespace spillway::server {
namespace {

constexpr duration measured_each = seconds(5);
constexpr duration window = minutes(5);  // what counts is one to two of them old

}  // namespace

std::vector<probe_schedule::due> probe_schedule::look(const proxy::snapshot& s, time_point now) {
    std::vector<due> out;
    for (std::size_t p = 0; p < s.pools.size(); ++p) {
        const auto& pool = s.pools[p];
        for (std::size_t b = 0; b < pool.backends.size(); ++b) {
            const auto& one = pool.backends[b];
            if (one.probe == core::probe_kind::none) continue;
            const auto& on = s.instances[one.instance];
            const auto its = on.state->view(now);
            if (!one.state->probe.watch.is_due(core::both(one.state->breaker.view(now), its), now, pool.probe))
                continue;
            auto& asked = asked_[on.identity];
            const bool down = its.mode != core::breaker_mode::closed;
            if (down && asked != time_point{} && now - asked < pool.probe.interval) continue;
            if (!one.state->probe.begin(now, pool.probe)) continue;
            asked = now;
            out.push_back({p, b});
        }
    }
    return out;
}

void probe_schedule::tick(const std::shared_ptr<const proxy::snapshot>& s,
                          std::vector<std::unique_ptr<proxy::worker>>& workers,
                          std::span<const stats::worker_stats* const> stats, time_point now) {
    for (const auto& d : look(*s, now)) {
        auto* w = workers[next_worker_++ % workers.size()].get();
        w->post([w, s, d] { w->probe_for(s, d.pool, d.backend); });
    }
    measure(*s, stats, now);
}

void probe_schedule::measure(const proxy::snapshot& s, std::span<const stats::worker_stats* const> workers,
                             time_point now) {
    if (measured_ != time_point{} && now - measured_ < measured_each) return;
    measured_ = now;
    std::map<stats::label, counts> all;
    for (const auto* w : workers)
        w->first_byte_seconds.each([&](const stats::key& k, const stats::histogram& h) {
            auto& sum = all[k[0]];
            for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += h.bucket(i);
        });
    const bool turns = now - window_began_ >= window;
    if (turns) window_began_ = now;
    for (const auto& p : s.pools) {
        auto& seen = waits_[p.label];
        auto& total = all[p.label];
        counts lately = total;
        for (std::size_t i = 0; i < lately.size(); ++i) lately[i] -= seen.before[i];
        p.state->suspect_after.store(core::suspect_after(p.probe, quantile(stats::time_bounds, lately, .99)).count(),
                                     std::memory_order_relaxed);
        if (turns) {
            seen.before = seen.since;
            seen.since = total;
        }
    }
}

}  // namespace spillway::server
