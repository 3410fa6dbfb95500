#include "residency.hpp"

#include <algorithm>
#include <set>

#include "issue_sink.hpp"

namespace spillway::config {
namespace {

// Why a backend leaves the boundary; empty when it stays inside.
std::string why_outside(const instance& on, const backend& b, const std::string& boundary) {
    if (processes_in(b.type) == locality::anywhere)
        return "a deployment of type " + std::string(to_string(b.type)) + " processes anywhere in the world";
    if (on.geography.empty()) return "the geography of instance " + b.instance + " is not stated";
    if (on.geography != boundary) return "instance " + b.instance + " lies in geography " + on.geography;
    return {};
}

void check_pool_inside(const tree& t, const std::string& pool_name, const std::string& boundary,
                       const std::string& whose, std::vector<issue>& issues) {
    const auto at = t.pools.find(pool_name);
    if (boundary.empty() || at == t.pools.end()) return;
    const auto& backends = at->second.backends;
    for (std::size_t i = 0; i < backends.size(); ++i) {
        const auto on = t.instances.find(backends[i].instance);
        if (on == t.instances.end()) continue;
        const auto why = why_outside(on->second, backends[i], boundary);
        if (why.empty()) continue;
        issues.push_back(
            t.source.make(severity::error, child_path("pools." + pool_name + ".backends", i),
                          "data would leave geography " + boundary + " of " + whose + ": " + why,
                          "remove the backend, state the instance's geography, or use a type that stays inside"));
    }
}

bool may_use(const tree& t, const route& r, const std::string& name) {
    const auto& groups = t.clients.find(name)->second.groups;
    return std::any_of(r.clients.begin(), r.clients.end(), [&](const std::string& who) {
        return who == "*" || who == name ||
               (who.starts_with("group:") && std::find(groups.begin(), groups.end(), who.substr(6)) != groups.end());
    });
}

}  // namespace

void check_residency(const tree& t, std::vector<issue>& issues) {
    for (const auto& [name, p] : t.pools) {
        const bool own = !p.geography.empty();
        if (own && !t.gateway.geography.empty() && p.geography != t.gateway.geography)
            issues.push_back(t.source.make(severity::error, "pools." + name + ".geography",
                                           "the pool lies outside of the gateway's geography " + t.gateway.geography,
                                           "give it the gateway's, or leave it out"));
        check_pool_inside(t, name, own ? p.geography : t.gateway.geography, own ? "the pool" : "the gateway", issues);
    }
    for (const auto& [name, c] : t.clients) {
        if (c.geography.empty() || c.geography == t.gateway.geography) continue;
        std::set<std::string> pools;
        for (const auto& r : t.routes) {
            if (!may_use(t, r, name)) continue;
            if (!r.pool.empty()) pools.insert(r.pool);
            if (r.split)
                for (const auto& [pool, weight] : r.split->pools) pools.insert(pool);
        }
        for (const auto& pool : pools) check_pool_inside(t, pool, c.geography, "client " + name, issues);
    }
}

}  // namespace spillway::config
