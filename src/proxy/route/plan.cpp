#include <algorithm>
#include <array>
#include <utility>

#include <spillway/base/text.hpp>

#include <spillway/core/header_rules.hpp>
#include <spillway/http/target.hpp>

#include "plan.hpp"

namespace spillway::proxy {
namespace {

// Whichever pool of a split it is, the same instance serves.
bool leads_to_one_instance(const snapshot& s, const core::route_rule& route) {
    std::optional<std::size_t> only;
    for (const auto& share : route.pools)
        for (const auto& b : s.pools[share.pool].backends)
            if (std::exchange(only, b.instance).value_or(b.instance) != b.instance) return false;
    return true;
}

}  // namespace

maybe_fault plan::find(const request& asked, const caller& by) {
    const auto& shared = at_.config();
    core::route_query q;
    q.client = *by.client;
    q.client_name = shared.clients[*by.client].name;
    q.user = asked.marks().user;
    q.operation = core::operation_index(*asked.what.op);
    q.deployment = asked.deployment;
    auto& what = asked.memory().upstream_what;
    if (auto f = objects.find(asked, shared.clients[*by.client].owner, what)) return f;
    changes_query = objects.changes_query;
    if (auto f = find_route(asked, q)) return f;
    if (auto f = check_other_names(asked, q)) return f;
    if (auto f = check_needs(asked, q)) return f;
    if (auto f = check_token(by)) return f;
    if (what.op->role == core::object_role::lists)
        if (auto f = check_list(by)) return f;
    found = true;
    return std::nullopt;
}

// By the name; without one by the operation. A tie leads to the pool that has its instance.
maybe_fault plan::find_route(const request& asked, const core::route_query& q) {
    const auto& shared = at_.config();
    const auto& tie = objects.instance;
    const auto fits = [&](std::size_t p) { return !tie || has_instance(p, *tie); };
    const auto match = q.deployment.empty() ? shared.router.find_unnamed(q, asked.fields(), fits)
                                            : shared.router.find(q, asked.fields(), at_.worker.random());
    if (!match && q.deployment.empty() && tie) return core::object_gone();
    if (!match) return no_route(asked.deployment);
    route = match->route;
    pool = match->pool;
    if (fits(*pool)) return std::nullopt;
    for (const auto& share : shared.router.rules()[*route].pools)
        if (fits(share.pool)) {
            pool = share.pool;
            return std::nullopt;
        }
    return core::object_elsewhere(asked.deployment);
}

bool plan::has_instance(std::size_t of_pool, std::size_t instance) const noexcept {
    const auto& backends = at_.config().pools[of_pool].backends;
    return std::any_of(backends.begin(), backends.end(), [&](const backend& b) { return b.instance == instance; });
}

// An instance lists what all have made there: right only where that is one owner's, and no other instance has more.
maybe_fault plan::check_list(const caller& by) const {
    const auto& shared = at_.config();
    const auto& rules = shared.router.rules();
    if (!leads_to_one_instance(shared, rules[*route])) return core::lists_not_served();
    const auto instance = pool_of().backends.front().instance;
    for (std::size_t c = 0; c < shared.clients.size(); ++c) {
        if (shared.clients[c].owner == shared.clients[*by.client].owner) continue;
        for (const auto r : shared.router.routes_of(c))
            for (const auto& share : rules[r].pools)
                if (has_instance(share.pool, instance)) return core::lists_not_served();
    }
    return std::nullopt;
}

core::placement plan::placement_of(const request& asked, const caller& by) const noexcept {
    core::placement out;
    out.instance = objects.instance;
    if (asked.what.op->role != core::object_role::none) out.home = text::hash(at_.config().clients[*by.client].owner);
    return out;
}

maybe_fault plan::check_token(const caller& by) {
    if (!at_.config().route(*route).passthrough) {
        if (!by.passthrough_only) return std::nullopt;
        return fault{.code = "TokenForAzure",
                     .who = origin::client,
                     .status = 403,
                     .message =
                         "The token was made for Azure itself, and this route passes no token on. Ask for one "
                         "with the gateway's own scope."};
    }
    passes_token = true;
    if (by.method == "token") return std::nullopt;
    return fault{.code = "TokenRequired",
                 .who = origin::client,
                 .status = 403,
                 .message =
                     "This route passes the caller's own Entra token on, and the request carries none. Send "
                     "one as Authorization: Bearer."};
}

// A deployment that is named beside the proper place, in a header or in the query, is asked for as well: it needs a
// route like the one that serves. Backends never see such names; which deployment serves is the gateway's choice.
maybe_fault plan::check_other_names(const request& asked, core::route_query q) {
    const auto& router = at_.config().router;
    const auto& fields = asked.fields();
    const auto allowed = [&](std::string_view name) {
        q.deployment = name;
        return router.find(q, fields, at_.worker.random()).has_value();
    };
    for (const auto& f : fields)
        if (core::names_deployment(f.name) && !allowed(f.value)) return no_route(f.value);
    if (asked.query.empty()) return std::nullopt;
    http::query_param p;
    bool names_one = false;
    std::string rest;
    for (http::query_cursor c(query_of(asked)); c.next(p);) {
        if (!core::param_names_deployment(p.name)) {
            rest.append(rest.empty() ? "" : "&").append(p.whole);
            continue;
        }
        names_one = true;
        std::array<char, 256> memory;
        const auto value = p.value.size() <= memory.size() ? http::decode_segment(p.value, memory) : std::nullopt;
        if (!value || !allowed(*value)) return no_route(value.value_or("?"));
    }
    if (names_one) {
        changes_query = true;
        asked.memory().upstream_query = std::move(rest);
    }
    return std::nullopt;
}

fault plan::no_route(std::string_view deployment) const {
    const auto& shared = at_.config();
    if (!shared.tree->gateway.hide_existence && shared.router.knows(deployment))
        return fault{.code = "DeploymentForbidden",
                     .who = origin::client,
                     .status = 403,
                     .message =
                         "This client has no route to that deployment for this operation. Ask the platform "
                         "team for one."};
    return fault{.code = "DeploymentNotFound",
                 .who = origin::client,
                 .status = 404,
                 .message =
                     "The deployment does not exist for this client and operation. Check the name, or ask the "
                     "platform team for a route."};
}

// Whether the route that serves, and the client's other routes, allow what the body names.
maybe_fault plan::check_needs(const request& asked, core::route_query q) const {
    if (!asked.marks().needs.any()) return std::nullopt;
    const auto& shared = at_.config();
    if (asked.marks().needs.too_many) return core::too_many_deployments();
    if (asked.marks().needs.own_data && !shared.route(*route).on_your_data) return core::own_data_not_allowed();
    for (const auto& d : asked.marks().needs.deployments) {
        q.operation = static_cast<std::size_t>(d.family);
        q.deployment = d.name;
        if (!shared.router.find(q, asked.fields(), at_.worker.random())) return no_route(d.name);
    }
    // Reasoning with our mark, or known by a tagged id, goes to the instance that wrote it.
    const bool tied = shared.tags && !objects.unmarked_reasoning;
    const bool open = shared.tags && shared.tree->affinity->reasoning == config::reasoning_rule::open;
    if (!asked.marks().needs.reasoning.empty() && !tied && !open &&
        !leads_to_one_instance(shared, shared.router.rules()[*route]))
        return core::reasoning_of_one_instance(asked.marks().needs.reasoning);
    return std::nullopt;
}

}  // namespace spillway::proxy
