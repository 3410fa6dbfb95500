#include <spillway/server/explain.hpp>

#include <algorithm>

#include <nlohmann/json.hpp>

#include <spillway/base/json_text.hpp>
#include <spillway/core/operation.hpp>

#include "explain_limits.hpp"
#include "explain_now.hpp"

namespace spillway::server {
namespace {

using json = nlohmann::json;

std::string because(const core::route_rule& r, const core::route_miss& why) {
    switch (why.what) {
        case core::mismatch::client: return "it does not name the client";
        case core::mismatch::deployment: return "it is for deployment " + r.deployment;
        case core::mismatch::operation: return "it is for other operations";
        case core::mismatch::header:
            return "it wants header " + r.headers[why.header].first + ": " + r.headers[why.header].second;
        case core::mismatch::none: break;
    }
    return {};
}

std::string duration_text(duration d) {
    const auto ms = std::chrono::duration_cast<milliseconds>(d).count();
    return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

class explanation {
public:
    explanation(const config::tree& t, const proxy::snapshot& s, const question& q, explain_mode mode, time_point now)
        : tree_(t), snapshot_(s), question_(q), mode_(mode), now_(now) {
        const auto operations = core::operation_names();
        query_.client = static_cast<std::size_t>(
            std::find_if(s.clients.begin(), s.clients.end(), [&](const auto& c) { return c.name == q.client; }) -
            s.clients.begin());
        query_.client_name = q.client;
        // As a body spells it: that is what sticky choices hash.
        if (!q.user.empty()) text::append_json_string(user_, q.user);
        query_.user = user_;
        query_.deployment = q.deployment;
        query_.operation = static_cast<std::size_t>(std::find(operations.begin(), operations.end(), q.operation) -
                                                    operations.begin());
        for (const auto& [name, value] : q.headers) headers_.add({name, value, http::identify(name)});
    }

    bool client_is_known() const noexcept { return query_.client < snapshot_.clients.size(); }

    json all() const {
        json out{{"client", question_.client},
                 {"deployment", question_.deployment},
                 {"operation", question_.operation},
                 {"passed_over", json::array()},
                 {"pools", json::array()}};
        random_source random(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
        const auto match = snapshot_.router.find(query_, headers_, random);
        const auto& rules = snapshot_.router.rules();
        for (std::size_t i = 0; i < (match ? match->route : rules.size()); ++i)
            out["passed_over"].push_back(
                {{"route", rules[i].name},
                 {"because", because(rules[i], snapshot_.router.misses(i, query_, headers_))}});
        std::vector<std::string> names;
        if (match) {
            const auto& rule = rules[match->route];
            out["route"] = rule.name;
            if (snapshot_.route(match->route).passthrough) out["passthrough"] = true;
            const bool split = tree_.routes[match->route].split.has_value();
            for (const auto& share : rule.pools) {
                json p = pool(share.pool, !snapshot_.route(match->route).passthrough);
                if (split) p["share"] = share.weight;
                out["pools"].push_back(std::move(p));
                names.push_back(snapshot_.pools[share.pool].name);
            }
            if (split && rule.sticky != config::stickiness::none)
                out["stays_with"] = snapshot_.pools[match->pool].name;
        } else {
            out["answer"] = tree_.gateway.hide_existence ? "404" : "403 or 404";
        }
        out["limits"] = explain_limits(tree_, question_.client, names);
        return out;
    }

private:
    json backend(const proxy::backend& b, std::uint32_t weight) const {
        const auto& on = snapshot_.instances[b.instance];
        const auto& from = tree_.instances.find(on.name)->second;
        std::string credential = "none";
        if (!from.credential.empty())
            credential =
                from.credential + " (" + config::describe(tree_.credentials.find(from.credential)->second) + ")";
        return {{"instance", on.name},
                {"deployment", b.deployment},
                {"type", b.type},
                {"region", on.region},
                {"weight", weight},
                {"endpoint", from.endpoint},
                {"kind", on.kind == config::instance_kind::openai ? "openai" : "azure"},
                {"proxy", on.to.proxy ? on.to.proxy.to_string() : ""},
                {"credential", credential}};
    }

    // Backends that the plan leaves out: no request of the pool ever gets there.
    json left_out(const proxy::pool& p, const config::pool& from) const {
        json out = json::array();
        for (std::size_t i = 0; i < p.backends.size(); ++i) {
            if (core::asks(p.plan, i)) continue;
            const auto& on = snapshot_.instances[p.backends[i].instance];
            out.push_back({{"instance", on.name},
                           {"deployment", p.backends[i].deployment},
                           {"because", from.backends[i].weight == 0 ? "its weight is 0"
                                       : on.region.empty()          ? "its region is not stated"
                                                                    : "its region is " + on.region}});
        }
        return out;
    }

    json pool(std::size_t index, bool own_credential) const {
        const auto& p = snapshot_.pools[index];
        const auto& from = tree_.pools.find(p.name)->second;
        json order = json::array();
        for (const auto& tier : p.plan.tiers) {
            json backends = json::array();
            for (const auto& m : tier.members) backends.push_back(backend(p.backends[m.backend], m.weight));
            order.push_back({{"priority", tier.priority}, {"backends", std::move(backends)}});
        }
        json out{{"pool", p.name},
                 {"model", p.model},
                 {"version", p.version},
                 {"balance", from.balance},
                 {"prefer", config::to_string(from.prefer)},
                 {"order", std::move(order)},
                 {"left_out", left_out(p, from)},
                 {"attempts", p.retry.attempts},
                 {"timeouts",
                  {{"connect", duration_text(p.connect_timeout)},
                   {"first_byte", duration_text(p.deadlines.first_byte_limit(false, {}))},
                   {"first_byte_stream", duration_text(p.deadlines.first_byte_limit(true, {}))},
                   {"idle", duration_text(p.idle_timeout)},
                   {"request", duration_text(p.deadlines.request_limit({}))}}}};
        if (mode_ == explain_mode::running)
            out["now"] = explain_now(snapshot_, p, own_credential,
                                     core::affinity_of(static_cast<std::uint32_t>(query_.client), user_), now_);
        return out;
    }

    const config::tree& tree_;
    const proxy::snapshot& snapshot_;
    const question& question_;
    explain_mode mode_;
    time_point now_;
    std::string user_;
    core::route_query query_;
    http::field_table headers_;
};

}  // namespace

result<std::string> explain_text(const config::tree& t, const proxy::snapshot& s, const question& q,
                                 explain_mode mode, time_point now) {
    const explanation e(t, s, q, mode, now);
    if (!e.client_is_known())
        return fault{.code = "ClientUnknown",
                     .who = origin::client,
                     .status = 404,
                     .message = "there is no client called '" + q.client + "'"};
    auto out = e.all().dump(1, ' ', false, json::error_handler_t::replace);
    out += '\n';
    return {boost::system::in_place_value, std::move(out)};
}

}  // namespace spillway::server
