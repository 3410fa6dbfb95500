#include <array>

#include <spillway/server/health.hpp>
#include <spillway/server/status.hpp>

namespace spillway::server {
namespace {

using core::breaker_mode;
constexpr std::array modes{breaker_mode::closed,        breaker_mode::throttled, breaker_mode::unhealthy,
                           breaker_mode::misconfigured, breaker_mode::half_open, breaker_mode::busy};

double epoch_seconds(wall_time t) { return std::chrono::duration<double>(t.time_since_epoch()).count(); }

stats::gauge_family single(std::string name, std::string help, double value) {
    return {std::move(name), std::move(help), false, {{{}, value}}};
}

// One series a state, as Prometheus wants enumerations: 1 for the present one.
void add_mode(stats::gauge_family& f, const std::vector<std::pair<std::string, std::string>>& labels,
              breaker_mode now) {
    for (const auto m : modes) {
        auto with = labels;
        with.emplace_back("state", core::to_string(m));
        f.samples.push_back({std::move(with), m == now ? 1.0 : 0.0});
    }
}

void add_backends(const proxy::snapshot& snap, time_point now, std::vector<stats::gauge_family>& out) {
    stats::gauge_family mode{"spillway_backend_breaker_state", "1 for the state that the breaker is in", false, {}};
    stats::gauge_family usable{"spillway_backend_usable", "Whether a request may go there now", false, {}};
    stats::gauge_family busy{"spillway_backend_outstanding", "Attempts in flight", false, {}};
    stats::gauge_family opened{"spillway_backend_opened_total", "Times that failures opened the breaker", true, {}};
    stats::gauge_family throttled{"spillway_backend_throttled_total", "Times that a 429 began a pause", true, {}};
    for (const auto& p : snap.pools)
        for (const auto& b : p.backends) {
            const std::vector<std::pair<std::string, std::string>> labels{{"pool", p.name}, {"backend", b.name}};
            const auto a = look(snap, b, now);
            const auto breaker = b.state->breaker.snapshot();
            add_mode(mode, labels, a.mode);
            usable.samples.push_back({labels, a.usable ? 1.0 : 0.0});
            busy.samples.push_back({labels, static_cast<double>(b.state->outstanding.load())});
            opened.samples.push_back({labels, static_cast<double>(breaker.times_opened())});
            throttled.samples.push_back({labels, static_cast<double>(breaker.times_throttled())});
        }
    for (auto* f : {&mode, &usable, &busy, &opened, &throttled}) out.push_back(std::move(*f));
}

void add_identities(const state& s, time_point now, std::vector<stats::gauge_family>& out) {
    using labels = std::vector<std::pair<std::string, std::string>>;
    stats::gauge_family left{
        "spillway_credential_token_seconds_left", "Life that the gateway's token has left", false, {}};
    stats::gauge_family got{
        "spillway_credential_refreshes_total", "Tokens of the gateway asked for, by result", true, {}};
    for (const auto& t : s.identities().tokens()) {
        const labels who{{"credential", t.credential}, {"scope", t.scope}};
        left.samples.push_back({who, std::max(0.0, seconds_between(now, t.expires))});
        for (const auto& [result, n] : {std::pair("ok", t.refreshes), std::pair("failed", t.failures)}) {
            auto with = who;
            with.emplace_back("result", result);
            got.samples.push_back({std::move(with), static_cast<double>(n)});
        }
    }
    stats::gauge_family keys{"spillway_token_provider_keys", "Keys that the provider publishes", false, {}};
    stats::gauge_family read{"spillway_token_provider_refreshes_total", "Readings of the keys, by result", true, {}};
    for (const auto& p : s.identities().providers()) {
        keys.samples.push_back({{{"provider", p.name}}, static_cast<double>(p.keys)});
        for (const auto& [result, n] : {std::pair("ok", p.refreshes), std::pair("failed", p.failures)})
            read.samples.push_back({{{"provider", p.name}, {"result", result}}, static_cast<double>(n)});
    }
    for (auto* f : {&left, &got, &keys, &read})
        if (!f->samples.empty()) out.push_back(std::move(*f));
}

}  // namespace

std::vector<stats::gauge_family> server_metrics(state& s, time_point now) {
    const auto snap = s.current();
    std::vector<stats::gauge_family> out;
    add_backends(*snap, now, out);
    stats::gauge_family instances{
        "spillway_instance_breaker_state", "1 for the state that the breaker is in", false, {}};
    for (const auto& i : snap->instances) add_mode(instances, {{"instance", i.name}}, i.state->view(now).mode);
    out.push_back(std::move(instances));
    stats::gauge_family pools{"spillway_pool_health", "1 for what the pool is: usable, throttled, dead", false, {}};
    for (const auto& p : snap->pools)
        for (const auto h : {pool_health::usable, pool_health::throttled, pool_health::dead})
            pools.samples.push_back({{{"pool", p.name}, {"health", std::string(to_string(h))}},
                                     health_of(*snap, p, now) == h ? 1.0 : 0.0});
    out.push_back(std::move(pools));
    add_identities(s, now, out);
    out.push_back(single("spillway_ready", "What /health/ready says", s.ready() ? 1 : 0));
    out.push_back(single("spillway_draining", "Whether the gateway is shutting down", s.draining() ? 1 : 0));
    out.push_back({"spillway_config_info", "The configuration that runs", false, {{{{"hash", snap->hash}}, 1.0}}});
    const auto& r = s.reloads();
    out.push_back(
        {"spillway_config_reloads_total",
         "Reloads by result",
         true,
         {{{{"result", "good"}}, static_cast<double>(r.good)}, {{{"result", "bad"}}, static_cast<double>(r.bad)}}});
    out.push_back(single("spillway_config_loaded_timestamp_seconds", "When the running configuration was loaded",
                         epoch_seconds(snap->loaded_at)));
    out.push_back({"spillway_build_info", "Version", false, {{{{"version", SPILLWAY_VERSION}}, 1.0}}});
    out.push_back(single("spillway_start_time_seconds", "When the process started", epoch_seconds(s.started_at())));
    stats::gauge_family lag{"spillway_loop_longest_round_seconds",
                            "Longest round of the event loop since the last scrape: how late a timer may have been",
                            false,
                            {}};
    for (std::size_t i = 0; i < s.workers().size(); ++i)
        lag.samples.push_back({{{"worker", std::to_string(i)}},
                               std::chrono::duration<double>(s.workers()[i]->loop().take_longest_round()).count()});
    out.push_back(std::move(lag));
    return out;
}

}  // namespace spillway::server
