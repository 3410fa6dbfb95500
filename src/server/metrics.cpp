#include <algorithm>
#include <array>

#include <spillway/server/health.hpp>
#include <spillway/server/status.hpp>
#include <spillway/server/usage_metrics.hpp>
#include <spillway/stats/declaration.hpp>

#include "single_metric.hpp"

namespace spillway::server {
namespace {

using core::breaker_mode;
using stats::server_metric;
constexpr std::array modes{breaker_mode::closed,        breaker_mode::throttled, breaker_mode::unhealthy,
                           breaker_mode::misconfigured, breaker_mode::half_open, breaker_mode::busy};

double epoch_seconds(wall_time t) { return std::chrono::duration<double>(t.time_since_epoch()).count(); }

// One series a state, as Prometheus wants enumerations: 1 for the present one.
void add_backends(const proxy::snapshot& snap, time_point now, metric_families& out) {
    server_metric mode("spillway_backend_breaker_state"), usable("spillway_backend_usable");
    server_metric busy("spillway_backend_outstanding"), opened("spillway_backend_opened_total");
    server_metric throttled("spillway_backend_throttled_total");
    for (const auto& p : snap.pools)
        for (const auto& b : p.backends) {
            const auto a = proxy::availability_of(snap, b, now, true);
            const auto breaker = b.state->breaker.snapshot();
            for (const auto m : modes) mode.add({p.name, b.name, core::to_string(m)}, m == a.mode ? 1 : 0);
            usable.add({p.name, b.name}, a.usable ? 1 : 0);
            busy.add({p.name, b.name}, static_cast<double>(b.state->outstanding.load()));
            opened.add({p.name, b.name}, static_cast<double>(breaker.times_opened()));
            throttled.add({p.name, b.name}, static_cast<double>(breaker.times_throttled()));
        }
    for (auto* m : {&mode, &usable, &busy, &opened, &throttled}) m->to(out);
    server_metric instances("spillway_instance_breaker_state");
    for (const auto& i : snap.instances) {
        const auto present = i.state->view(now).mode;
        for (const auto m : modes) instances.add({i.name, core::to_string(m)}, m == present ? 1 : 0);
    }
    instances.to(out);
    server_metric pools("spillway_pool_health");
    for (const auto& p : snap.pools)
        for (const auto h : {pool_health::usable, pool_health::throttled, pool_health::dead})
            pools.add({p.name, to_string(h)}, health_of(snap, p, now) == h ? 1 : 0);
    pools.to(out);
    std::vector<pool_capacity> shares;
    for (const auto& p : snap.pools) shares.push_back({p.name, proxy::capacity_of(snap, p, now, true)});
    add_capacity(shares, out);
}

void add_names(const state& s, metric_families& out) {
    const auto ended = net::resolver::ended();
    server_metric("spillway_dns_lookups_total")
        .add({"found"}, static_cast<double>(ended.found))
        .add({"none"}, static_cast<double>(ended.none))
        .add({"failed"}, static_cast<double>(ended.failed))
        .to(out);
    const auto names = s.names();
    add_single("spillway_dns_failing_names",
               std::count_if(names.begin(), names.end(), [](const auto& n) { return n.failures_in_a_row != 0; }),
               out);
}

void add_identities(const state& s, time_point now, metric_families& out) {
    server_metric left("spillway_credential_token_seconds_left"), got("spillway_credential_refreshes_total");
    for (const auto& t : s.identities().tokens()) {
        left.add({t.credential, t.scope}, std::max(0.0, seconds_between(now, t.expires)));
        got.add({t.credential, t.scope, "ok"}, static_cast<double>(t.refreshes));
        got.add({t.credential, t.scope, "failed"}, static_cast<double>(t.failures));
    }
    server_metric keys("spillway_token_provider_keys"), read("spillway_token_provider_refreshes_total");
    for (const auto& p : s.identities().providers()) {
        keys.add({p.name}, static_cast<double>(p.keys));
        read.add({p.name, "ok"}, static_cast<double>(p.refreshes));
        read.add({p.name, "failed"}, static_cast<double>(p.failures));
    }
    for (auto* m : {&left, &got, &keys, &read})
        if (!m->empty()) m->to(out);
}

void add_usage(state& s, time_point now, metric_families& out) {
    if (const auto* l = s.usage_ledger()) add_ledger(l->report(), out);
    if (const auto* q = s.quota_store()) {
        add_quota_store(q->look(), out);
        add_quotas(q->holders(now, wall_clock::now()), out);
    }
    if (const auto* t = s.trace_exporter()) add_traces(t->look(), out);
}

void add_process(state& s, const proxy::snapshot& snap, metric_families& out) {
    add_single("spillway_ready", s.ready() ? 1 : 0, out);
    add_single("spillway_draining", s.draining() ? 1 : 0, out);
    server_metric("spillway_config_info").add({snap.hash}, 1).to(out);
    const auto& r = s.reloads();
    server_metric("spillway_config_reloads_total")
        .add({"good"}, static_cast<double>(r.good))
        .add({"bad"}, static_cast<double>(r.bad))
        .to(out);
    add_single("spillway_config_loaded_timestamp_seconds", epoch_seconds(snap.loaded_at), out);
    server_metric("spillway_build_info").add({SPILLWAY_VERSION}, 1).to(out);
    add_single("spillway_start_time_seconds", epoch_seconds(s.started_at()), out);
    const auto lost = s.logs_lost();
    server_metric("spillway_log_dropped_total")
        .add({"access"}, static_cast<double>(lost.access))
        .add({"daemon"}, static_cast<double>(lost.daemon))
        .to(out);
    add_single("spillway_capture_dropped_total", lost.captures, out);
    server_metric lag("spillway_loop_longest_round_seconds");
    for (std::size_t i = 0; i < s.workers().size(); ++i)
        lag.add({std::to_string(i)},
                std::chrono::duration<double>(s.workers()[i]->loop().take_longest_round()).count());
    lag.to(out);
}

}  // namespace

std::vector<stats::gauge_family> server_metrics(state& s, time_point now) {
    const auto snap = s.current();
    metric_families out;
    add_backends(*snap, now, out);
    add_names(s, out);
    add_identities(s, now, out);
    add_usage(s, now, out);
    add_process(s, *snap, out);
    return out;
}

}  // namespace spillway::server
