#include <spillway/server/status.hpp>

#include <nlohmann/json.hpp>

#include <spillway/server/health.hpp>

#include "status_usage.hpp"

namespace spillway::server {
namespace {

using json = nlohmann::json;

json time_or_null(wall_time t) {
    if (t == wall_time{}) return nullptr;
    return std::chrono::duration_cast<seconds>(t.time_since_epoch()).count();
}

json configuration_of(const state& s) {
    const auto& r = s.reloads();
    json issues = json::array();
    for (const auto& i : r.last_issues)
        issues.push_back({{"level", i.level == config::severity::error ? "error" : "warning"},
                          {"file", i.file},
                          {"line", i.line},
                          {"column", i.column},
                          {"key", i.key_path},
                          {"what", i.what},
                          {"remedy", i.remedy},
                          {"text", config::format(i)}});
    const auto now = s.current();
    return {{"hash", now->hash},
            {"generation", now->generation},
            {"loaded_at", time_or_null(now->loaded_at)},
            {"reloads", {{"good", r.good}, {"bad", r.bad}}},
            {"last_good", time_or_null(r.last_good)},
            {"last_bad", time_or_null(r.last_bad)},
            {"issues", std::move(issues)}};
}

json breaker_of(const core::availability& a, time_point now) {
    json out{{"state", core::to_string(a.mode)}, {"usable", a.usable}};
    if (!a.usable) out["seconds_left"] = std::max(0.0, seconds_between(now, a.until));
    return out;
}

// When the backend was last shown to work, and by what; and what the last probe met.
json proof_of(const proxy::shared_backend& b, time_point now) {
    const auto by_request = b.answered(), by_probe = b.probe.proven();
    json out{{"by", nullptr}, {"seconds_ago", nullptr}, {"last_probe", nullptr}};
    if (const auto last = std::max(by_request, by_probe); last != time_point{}) {
        out["by"] = by_request >= by_probe ? "request" : "probe";
        out["seconds_ago"] = std::max(0.0, seconds_between(last, now));
    }
    if (const auto f = b.probe.facts(); f.last != core::probe_result::none)
        out["last_probe"] = {{"result", core::to_string(f.last)},
                             {"seconds_ago", std::max(0.0, seconds_between(f.ended, now))}};
    return out;
}

json pool_of(const state& s, const proxy::snapshot& snap, const proxy::pool& p, time_point now) {
    const auto& from = s.configuration().tree.pools.find(p.name)->second;
    json backends = json::array();
    for (std::size_t i = 0; i < p.backends.size(); ++i) {
        const auto& b = p.backends[i];
        const auto& on = snap.instances[b.instance];
        json one{{"name", b.name},
                 {"instance", on.name},
                 {"deployment", b.deployment},
                 {"region", on.region},
                 {"kind", on.kind == config::instance_kind::openai ? "openai" : "azure"},
                 {"proxy", on.to.proxy ? json(on.to.proxy.to_string()) : json()},
                 {"type", b.type},
                 {"priority", from.backends[i].priority},
                 {"weight", from.backends[i].weight},
                 {"outstanding", b.state->outstanding.load(std::memory_order_relaxed)},
                 {"latency_seconds", b.state->latency(now)}};
        one["proof"] = proof_of(*b.state, now);
        one["breaker"] = breaker_of(proxy::availability_of(snap, b, now, true), now);
        backends.push_back(std::move(one));
    }
    return {{"name", p.name},
            {"model", p.model},
            {"version", p.version},
            {"health", to_string(health_of(snap, p, now))},
            {"backends", backends},
            {"balance", from.balance},
            {"capacity", proxy::capacity_of(snap, p, now, true)}};
}

json route_of(const state& s, const proxy::snapshot& snap, std::size_t index, time_point now) {
    const auto& rule = snap.router.rules()[index];
    const auto& from = s.configuration().tree.routes[index];
    json pools = json::array();
    for (const auto& share : rule.pools)
        pools.push_back({{"pool", snap.pools[share.pool].name}, {"weight", share.weight}});
    return {{"name", rule.name},
            {"clients", from.clients},
            {"deployment", rule.deployment},
            {"operations", from.operations},
            {"pools", pools},
            {"ready", is_route_ready(snap, index, now)}};
}

// Tokens that the gateway keeps; API keys have nothing to tell.
json credentials_of(const state& s, time_point now) {
    json out = json::array();
    for (const auto& t : s.identities().tokens())
        out.push_back({{"credential", t.credential},
                       {"source", t.source},
                       {"scope", t.scope},
                       {"usable", t.usable},
                       {"seconds_left", std::max(0.0, seconds_between(now, t.expires))},
                       {"next_in_seconds", std::max(0.0, seconds_between(now, t.next))},
                       {"refreshes", t.refreshes},
                       {"failures", t.failures},
                       {"failures_in_a_row", t.failures_in_a_row},
                       {"last_error", text_or_null(t.last_error)}});
    return out;
}

json providers_of(const state& s) {
    json out = json::array();
    for (const auto& p : s.identities().providers())
        out.push_back({{"name", p.name},
                       {"source", p.source},
                       {"keys", p.keys},
                       {"keys_left_out", p.left_out.unfit + p.left_out.more},
                       {"refreshes", p.refreshes},
                       {"failures", p.failures},
                       {"last_success", time_or_null(p.last_success)},
                       {"last_error", text_or_null(p.last_error)}});
    return out;
}

json workers_of(state& s) {
    json out = json::array();
    for (const auto& w : s.workers()) out.push_back({{"sessions", w->sessions()}});
    return out;
}

// Names that are looked up, and what is known about them.
json names_of(const state& s) {
    json out = json::array();
    for (const auto& n : s.names())
        out.push_back({{"name", n.host},
                       {"addresses", n.addresses},
                       {"failures_in_a_row", n.failures_in_a_row},
                       {"last_error", text_or_null(n.last_error)},
                       {"next_in_seconds", std::chrono::duration<double>(n.next_in).count()}});
    return out;
}

json listeners_of(const proxy::snapshot& snap) {
    json out = json::array();
    for (const auto& l : snap.listeners)
        out.push_back({{"name", l->name},
                       {"address", l->at.to_string()},
                       {"tls", l->tls != nullptr},
                       {"connections", l->open->load(std::memory_order_relaxed)}});
    return out;
}

json instances_of(const proxy::snapshot& snap, time_point now) {
    json out = json::array();
    for (const auto& i : snap.instances)
        out.push_back({{"name", i.name},
                       {"endpoint", (i.to.tls ? "https://" : "http://") + i.host_field + i.path_prefix},
                       {"region", i.region},
                       {"geography", i.geography},
                       {"credential", i.token                ? "token"
                                      : i.auth_value.empty() ? "none"
                                                             : "api_key"},
                       {"breaker", breaker_of(i.state->view(now), now)}});
    return out;
}

// What /status and the live page both tell.
json common_of(state& s, const proxy::snapshot& snap, time_point now) {
    json routes = json::array(), pools = json::array();
    for (std::size_t i = 0; i < snap.router.rules().size(); ++i) routes.push_back(route_of(s, snap, i, now));
    for (const auto& p : snap.pools) pools.push_back(pool_of(s, snap, p, now));
    auto traffic = traffic_of(s.labels(), s.worker_stats());
    traffic["currency"] = s.configuration().tree.prices.currency;
    return {{"gateway",
             {{"name", s.configuration().tree.gateway.name},
              {"version", SPILLWAY_VERSION},
              {"started_at", time_or_null(s.started_at())},
              {"ready", s.ready()},
              {"draining", s.draining()}}},
            {"configuration", configuration_of(s)},
            {"attention", attention(s)},
            {"routes", routes},
            {"pools", pools},
            {"traffic", std::move(traffic)},
            {"usage", usage_of(s)},
            {"quotas", quotas_of(s, now, wall_clock::now())},
            {"traces", traces_of(s)},
            {"errors", errors_of(s)}};
}

// Names that are no UTF-8 may not cost the whole page.
std::string text_of(const json& j, int indent) { return j.dump(indent, ' ', false, json::error_handler_t::replace); }

}  // namespace

std::string config_text(const state& s) { return text_of(configuration_of(s), 1); }

std::string status_text(state& s, time_point now) {
    const auto snap = s.current();
    json out = common_of(s, *snap, now);
    out["gateway"]["workers"] = workers_of(s);
    out["listeners"] = listeners_of(*snap);
    out["instances"] = instances_of(*snap, now);
    out["names"] = names_of(s);
    out["credentials"] = credentials_of(s, now);
    out["token_providers"] = providers_of(s);
    return text_of(out, 1);
}

std::string page_text(state& s, time_point now) {
    const auto snap = s.current();
    json out = common_of(s, *snap, now);
    out["at"] = std::chrono::duration<double>(wall_clock::now().time_since_epoch()).count();
    return text_of(out, -1);
}

}  // namespace spillway::server
