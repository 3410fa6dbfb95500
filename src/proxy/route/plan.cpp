#include <array>
#include <utility>

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
    const auto match = shared.router.find(q, asked.fields(), at_.worker.random());
    if (!match) return no_route(asked.deployment);
    if (auto f = check_other_names(asked, q)) return f;
    route = match->route;
    pool = match->pool;
    if (auto f = check_needs(asked, q)) return f;
    if (auto f = check_token(by)) return f;
    found = true;
    return std::nullopt;
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
    for (http::query_cursor c(asked.query); c.next(p);) {
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
    if (!asked.marks().needs.reasoning.empty() && !leads_to_one_instance(shared, shared.router.rules()[*route]))
        return core::reasoning_of_one_instance(asked.marks().needs.reasoning);
    return std::nullopt;
}

}  // namespace spillway::proxy
