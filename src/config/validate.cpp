#include <spillway/config/validate.hpp>

#include <algorithm>
#include <map>
#include <set>

#include <spillway/base/text.hpp>
#include <spillway/http/endpoint_url.hpp>

#include "identity_check.hpp"
#include "issue_sink.hpp"
#include "outbound_check.hpp"
#include "residency.hpp"
#include "usage_check.hpp"
#include "values.hpp"

namespace spillway::config {
namespace {

// 2024-10-21, 2025-04-01-preview, and the words of the v1 API. It goes into a query as it stands.
bool is_api_version(std::string_view s) noexcept {
    if (s == "v1" || s == "preview" || s == "latest") return true;
    constexpr std::string_view form = "0000-00-00", preview = "-preview";
    if (s.size() < form.size() || (s.size() > form.size() && s.substr(form.size()) != preview)) return false;
    for (std::size_t i = 0; i < form.size(); ++i)
        if (form[i] == '0' ? s[i] < '0' || s[i] > '9' : s[i] != form[i]) return false;
    return parse_moment(s.substr(0, form.size())).has_value();
}

// (/[A-Za-z0-9._~-]+)*
bool is_base_path(std::string_view s) noexcept {
    if (s.empty()) return true;
    const bool plain = std::all_of(s.begin(), s.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("/._~-").find(c) != std::string_view::npos;
    });
    return plain && s.front() == '/' && s.back() != '/' && s.find("//") == std::string_view::npos;
}

class validation : tree_check {
public:
    validation(const tree& t, const known_names& names, std::vector<issue>& out)
        : tree_check(t, out), names_(names) {}

    void run() {
        check_gateway();
        check_regions();
        check_listeners();
        check_outbound(tree_, issues_);
        for (const auto& [name, i] : tree_.instances) check_instance("instances." + name, i);
        for (const auto& [name, p] : tree_.pools) check_pool("pools." + name, p);
        check_identities(tree_, issues_);
        check_usage(tree_, names_.stores, issues_);
        for (std::size_t i = 0; i < tree_.routes.size(); ++i) check_route(i);
        check_shadowed_routes();
        check_health();
        check_unused();
        check_residency(tree_, issues_);
        sort_by_place(issues_);
    }

private:
    template <class T>
    bool refer(const std::string& path, std::string_view kind, const std::string& name, const named<T>& all) {
        if (all.contains(name)) return true;
        error(path, "there is no " + std::string(kind) + " called '" + name + "'",
              did_you_mean(name, names_of(all), "add it, or use the name of one that exists"));
        return false;
    }

    void check_gateway() {
        if (tree_.listeners.empty()) error("listeners", "there is no listener", "add one");
        if (tree_.routes.empty()) error("routes", "there is no route", "add one: without, nobody may use anything");
        const auto& a = tree_.admin.address;
        const bool loopback = a.starts_with("127.") || a.starts_with("localhost:") || a.starts_with("[::1]");
        if (!loopback && tree_.admin.keys.empty())
            error("admin.address", "the admin listener is reachable from outside and has no key",
                  "set admin.keys, or listen on 127.0.0.1");
    }

    void check_listeners() {
        std::map<std::string, std::string> by_address;
        for (const auto& [name, l] : tree_.listeners) {
            const auto [at, is_new] = by_address.emplace(l.address, name);
            if (!is_new)
                error("listeners." + name + ".address", "the address is the same as that of listener " + at->second,
                      "give each listener its own");
            if (!is_base_path(l.base_path))
                error("listeners." + name + ".base_path", "this is no path",
                      "write /part or /part/part, of letters, digits and . _ ~ -");
            if (l.address == tree_.admin.address)
                error("listeners." + name + ".address", "the address is the same as that of the admin listener",
                      "give each its own");
        }
    }

    void check_instance(const std::string& path, const instance& i) {
        const bool secure = text::istarts_with(i.endpoint, "https://");
        const auto trouble = http::api_endpoint_trouble(i.endpoint);
        if (!trouble.what.empty()) error(path + ".endpoint", std::string(trouble.what), std::string(trouble.remedy));
        else if (!secure && !i.insecure)
            error(path + ".endpoint", "the endpoint is not protected by TLS",
                  "write https://, or set insecure: true if credential and content may travel in clear");
        if (!i.credential.empty()) refer(path + ".credential", "credential", i.credential, tree_.credentials);
        else warn(path, "requests go to this instance without a credential", "set credential if it wants one");
        if (!i.address.empty() && !http::parse_host_port(i.address, 443))
            error(path + ".address", "the address is not of the form host:port", "write host:port, or leave it out");
        for (const auto* key : {&i.ca_file, &i.tls_name})
            if (!secure && trouble.what.empty() && !key->empty())
                warn(path + (key == &i.ca_file ? ".ca_file" : ".tls_name"), "the endpoint does not speak TLS",
                     "take it out, or write https://");
        if (i.api_version && !is_api_version(*i.api_version))
            error(path + ".api_version", "this is no version of the API",
                  "write a date such as 2024-10-21, one with -preview, or v1, preview or latest");
    }

    void check_pool(const std::string& path, const pool& p) {
        if (std::find(names_.balancers.begin(), names_.balancers.end(), p.balance) == names_.balancers.end())
            error(path + ".balance", "there is no algorithm called '" + p.balance + "'",
                  did_you_mean(p.balance, names_.balancers, "use weighted_random"));
        if (p.backends.empty()) error(path + ".backends", "the pool has no backend", "add one");
        std::uint64_t weights = 0;
        std::set<std::pair<std::string, std::string>> seen;
        for (std::size_t i = 0; i < p.backends.size(); ++i) {
            const auto& b = p.backends[i];
            const auto at = child_path(path + ".backends", i);
            weights += b.weight;
            refer(at + ".instance", "instance", b.instance, tree_.instances);
            if (b.deployment.empty()) error(at + ".deployment", "the deployment has no name", "write its name");
            if (!seen.insert({b.instance, b.deployment}).second)
                error(at, "the deployment " + b.deployment + " on " + b.instance + " is in this pool twice",
                      "keep one and give it the sum of the weights");
            check_same(at + ".model", "model", b.model, p.model);
            check_same(at + ".version", "version", b.version, p.version);
        }
        if (!p.backends.empty() && weights == 0)
            error(path + ".backends", "every backend has weight 0, so nobody would serve", "raise a weight");
        check_prefer(path + ".prefer", p);
        if (p.breaker.open > p.breaker.max_open)
            error(path + ".breaker", "open is longer than max_open", "lower open or raise max_open");
        check_shared_quota(path, p);
    }

    void check_prefer(const std::string& path, const pool& p) {
        if (p.prefer == preference::none) return;
        const auto& own = tree_.gateway.region;
        if (p.prefer == preference::region_only) {
            if (own.empty())
                error(path, "the gateway's own region is not known, so nobody would serve", "set gateway.region");
            else if (!serves_from(p, own))
                error(path, "no backend of the pool is in " + own + ", the gateway's own region: nobody would serve",
                      "add one, state the region of its instance, or write prefer: region_first");
        } else if (tree_.gateway.regions.empty() && own.empty()) {
            warn(path, "the gateway's own region is not known, so no backend is near", "set gateway.region");
        } else if (tree_.gateway.regions.empty() && !serves_from(p, own)) {
            warn(path, "no backend of the pool is in " + own + ", the gateway's own region: it prefers nobody",
                 "set gateway.regions to the order of the other regions");
        }
    }

    bool serves_from(const pool& p, const std::string& region) const {
        return std::any_of(p.backends.begin(), p.backends.end(), [&](const backend& b) {
            const auto on = tree_.instances.find(b.instance);
            return b.weight != 0 && on != tree_.instances.end() && on->second.region == region;
        });
    }

    void check_regions() {
        std::set<std::string, std::less<>> known, seen;
        for (const auto& [name, i] : tree_.instances) known.insert(i.region);
        known.erase("");
        const auto& order = tree_.gateway.regions;
        for (std::size_t i = 0; i < order.size(); ++i) {
            const auto path = child_path("gateway.regions", i);
            if (!known.contains(order[i]))
                warn(path, "no instance is in region '" + order[i] + "'",
                     did_you_mean(order[i], std::vector<std::string_view>(known.begin(), known.end()),
                                  "take it out, or state the region of its instances"));
            if (!seen.insert(order[i]).second)
                warn(path, "the region is listed twice; its first place counts", "take one out");
        }
        const auto prefers = [](const auto& p) {
            return p.second.prefer == preference::region || p.second.prefer == preference::region_first;
        };
        if (!order.empty() && std::none_of(tree_.pools.begin(), tree_.pools.end(), prefers))
            warn("gateway.regions", "no pool asks for an order of regions",
                 "set prefer: region or region_first in a pool");
    }

    // A pool answers as one model: mixing versions behind a client's back is never right.
    void check_same(const std::string& path, std::string_view what, const std::optional<std::string>& stated,
                    const std::string& wanted) {
        if (stated && *stated != wanted)
            error(path, "the backend's " + std::string(what) + " " + *stated + " is not the pool's " + wanted,
                  "put it into a pool of its own; a route's split can share traffic between the two");
    }

    // Standard quota belongs to subscription, region and model, so two such deployments share one.
    void check_shared_quota(const std::string& path, const pool& p) {
        std::map<std::string, std::size_t> first;
        for (std::size_t i = 0; i < p.backends.size(); ++i) {
            const auto& b = p.backends[i];
            const auto on = tree_.instances.find(b.instance);
            if (b.type != deployment_type::standard || on == tree_.instances.end() || on->second.subscription.empty())
                continue;
            const auto [at, is_new] = first.emplace(on->second.subscription + "|" + on->second.region, i);
            if (!is_new)
                warn(child_path(path + ".backends", i),
                     "this backend shares its quota with " + child_path("backends", at->second) +
                         " (standard, same subscription and region): it adds availability, but no throughput",
                     "use another subscription or region if throughput is meant");
        }
    }

    static bool is_one_of(std::span<const std::string_view> all, const std::string& name) {
        return std::find(all.begin(), all.end(), name) != all.end();
    }

    void check_route(std::size_t index) {
        const auto& r = tree_.routes[index];
        const auto path = child_path("routes", index);
        if (r.clients.empty())
            error(path + ".clients", "the route names no client",
                  "name them, a group:NAME, or \"*\" for every client");
        for (std::size_t i = 0; i < r.clients.size(); ++i) check_who(child_path(path + ".clients", i), r.clients[i]);
        for (std::size_t i = 0; i < r.operations.size(); ++i)
            if (!is_one_of(names_.operations, r.operations[i]) &&
                !is_one_of(names_.operation_groups, r.operations[i]))
                error(child_path(path + ".operations", i), "there is no operation called '" + r.operations[i] + "'",
                      did_you_mean(r.operations[i], names_.operations, "leave operations out for all"));
        if (r.pool.empty() == !r.split)
            error(path, r.split ? "the route has a pool and a split" : "the route has neither pool nor split",
                  "write exactly one of them");
        if (!r.pool.empty()) refer(path + ".pool", "pool", r.pool, tree_.pools);
        if (r.split) check_split(path + ".split", *r.split);
    }

    void check_who(const std::string& path, const std::string& who) {
        if (who == "*") return;
        if (!who.starts_with("group:")) {
            refer(path, "client", who, tree_.clients);
            return;
        }
        std::set<std::string> groups;
        for (const auto& [name, c] : tree_.clients) groups.insert(c.groups.begin(), c.groups.end());
        if (!groups.contains(who.substr(6)))
            error(path, "no client is in group '" + who.substr(6) + "'",
                  did_you_mean(who.substr(6), groups, "put a client into it"));
    }

    void check_split(const std::string& path, const traffic_split& s) {
        std::uint64_t sum = 0;
        for (const auto& [name, weight] : s.pools) {
            refer(path + "." + name, "pool", name, tree_.pools);
            sum += weight;
        }
        if (sum == 0) error(path, "the shares add up to nothing", "write pool: weight, at least one above 0");
    }

    void check_health() {
        const auto& wanted = tree_.health.require;
        std::vector<std::string> labels;
        for (std::size_t i = 0; i < tree_.routes.size(); ++i) labels.push_back(route_label(tree_, i));
        const std::vector<std::string_view> known(labels.begin(), labels.end());
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            const auto& name = wanted[i];
            const auto path = child_path("health.require", i);
            if (name == "any" || name == "all") {
                if (wanted.size() > 1) error(path, "'" + name + "' stands alone", "write it alone, or name routes");
            } else if (std::find(labels.begin(), labels.end(), name) == labels.end()) {
                error(path, "there is no route called '" + name + "'",
                      did_you_mean(name, known, "write any, all, or names of routes"));
            }
        }
    }

    // A later route that an earlier one covers in full never gets a request.
    void check_shadowed_routes() {
        for (std::size_t late = 1; late < tree_.routes.size(); ++late)
            for (std::size_t early = 0; early < late; ++early)
                if (covers(tree_.routes[early], tree_.routes[late])) {
                    warn(
                        child_path("routes", late),
                        "the route can never match: " + route_label(tree_, early) + " takes everything that it would",
                        "put it first, or remove it");
                    break;
                }
    }

    bool covers(const route& a, const route& b) const {
        if (!a.headers.empty()) return false;
        if (a.deployment != b.deployment &&
            (b.deployment.find('*') != std::string::npos || !text::glob_match(a.deployment, b.deployment)) &&
            a.deployment != "*")
            return false;
        const auto has = [](const std::vector<std::string>& all, const std::string& one) {
            return std::find(all.begin(), all.end(), one) != all.end();
        };
        if (!a.operations.empty() &&
            (b.operations.empty() || !std::all_of(b.operations.begin(), b.operations.end(),
                                                  [&](const auto& o) { return has(a.operations, o); })))
            return false;
        return has(a.clients, "*") ||
               std::all_of(b.clients.begin(), b.clients.end(), [&](const auto& c) { return has(a.clients, c); });
    }

    void check_unused() {
        std::set<std::string> pools, instances;
        for (const auto& r : tree_.routes) {
            pools.insert(r.pool);
            if (r.split)
                for (const auto& [name, weight] : r.split->pools) pools.insert(name);
        }
        for (const auto& [name, p] : tree_.pools) {
            if (!pools.contains(name))
                warn("pools." + name, "no route leads to this pool", "add a route or remove it");
            for (const auto& b : p.backends) instances.insert(b.instance);
        }
        for (const auto& [name, i] : tree_.instances)
            if (!instances.contains(name))
                warn("instances." + name, "no pool uses this instance", "add a backend or remove it");
    }

    const known_names& names_;
};

}  // namespace

std::vector<issue> validate(const tree& t, const known_names& known) {
    std::vector<issue> out;
    validation(t, known, out).run();
    return out;
}

}  // namespace spillway::config
