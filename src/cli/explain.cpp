#include <iostream>
#include <tuple>

#include <nlohmann/json.hpp>

#include <spillway/base/text.hpp>
#include <spillway/core/exchange.hpp>
#include <spillway/core/operation.hpp>
#include <spillway/core/router.hpp>
#include <spillway/core/selector.hpp>
#include <spillway/http/endpoint_url.hpp>
#include <spillway/server/outbound.hpp>

#include "commands.hpp"
#include "explain_limits.hpp"

namespace spillway::cli {
namespace {

using json = nlohmann::json;

struct explain_options {
    std::string path, client, deployment, operation{"chat"}, user;
    std::vector<std::string> headers;
    bool json_out{false};
};

bool names_client(const config::tree& t, const config::route& r, const std::string& client) {
    const auto& groups = t.clients.find(client)->second.groups;
    for (const auto& who : r.clients)
        if (who == "*" || who == client ||
            (who.starts_with("group:") && std::find(groups.begin(), groups.end(), who.substr(6)) != groups.end()))
            return true;
    return false;
}

// Why the route does not take the request; empty when it does.
std::string why_not(const config::tree& t, const config::route& r, const explain_options& o,
                    const std::map<std::string, std::string>& headers) {
    if (!names_client(t, r, o.client)) return "it does not name the client";
    if (!text::glob_match(r.deployment, o.deployment)) return "it is for deployment " + r.deployment;
    if (!r.operations.empty() &&
        std::find(r.operations.begin(), r.operations.end(), o.operation) == r.operations.end())
        return "it is for other operations";
    for (const auto& [name, wanted] : r.headers) {
        const auto at = std::find_if(headers.begin(), headers.end(),
                                     [&n = name](const auto& h) { return text::iequals(h.first, n); });
        if (at == headers.end() || !text::glob_match(wanted, at->second))
            return "it wants header " + name + ": " + wanted;
    }
    return {};
}

std::string duration_text(duration d) {
    const auto ms = std::chrono::duration_cast<milliseconds>(d).count();
    return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

// The proxy that leads to the instance, by the configuration and the environment of this very command.
std::string proxy_of(const config::tree& t, const config::instance& on) {
    const auto unread = [](const config::secret_ref&) { return result<std::string>(); };
    const auto rules = server::outbound_rules(t.net, config::process_environment(), unread);
    const auto url = http::parse_endpoint_url(on.endpoint);
    if (!rules || !url) return rules ? "" : rules.error().message;
    net::endpoint to;
    to.host = url->host;
    to.port = url->port;
    if (!on.address.empty())
        if (const auto at = http::parse_host_port(on.address, url->port)) std::tie(to.host, to.port) = *at;
    const auto by = server::proxy_for(*rules, on, *url, to);
    return by ? by.to_string() : "";
}

// Backends that the plan leaves out: no request of the pool ever gets there.
json left_out_of(const config::tree& t, const config::pool& p, const core::pool_plan& plan) {
    json out = json::array();
    for (std::size_t i = 0; i < p.backends.size(); ++i) {
        const auto& b = p.backends[i];
        if (core::asks(plan, i)) continue;
        const auto& region = t.instances.find(b.instance)->second.region;
        out.push_back({{"instance", b.instance},
                       {"deployment", b.deployment},
                       {"because", b.weight == 0    ? "its weight is 0"
                                   : region.empty() ? "its region is not stated"
                                                    : "its region is " + region}});
    }
    return out;
}

json explain_pool(const config::tree& t, const std::string& name) {
    const auto& p = t.pools.find(name)->second;
    std::vector<core::plan_member> members;
    for (const auto& b : p.backends) {
        const auto& on = t.instances.find(b.instance)->second;
        members.push_back({b.priority, b.weight, core::distance_of(on.region, t.gateway.region, t.gateway.regions)});
    }
    const auto plan = core::make_plan(members, p.prefer, core::find_balancer(p.balance));
    json order = json::array();
    for (const auto& tier : plan.tiers) {
        json backends = json::array();
        for (const auto& m : tier.members) {
            const auto& b = p.backends[m.backend];
            const auto& on = t.instances.find(b.instance)->second;
            std::string credential = "none";
            if (!on.credential.empty())
                credential = on.credential + " (" + config::describe(t.credentials.find(on.credential)->second) + ")";
            backends.push_back({{"instance", b.instance},
                                {"deployment", b.deployment},
                                {"type", config::to_string(b.type)},
                                {"region", on.region},
                                {"weight", m.weight},
                                {"endpoint", on.endpoint},
                                {"kind", on.kind == config::instance_kind::openai ? "openai" : "azure"},
                                {"proxy", proxy_of(t, on)},
                                {"credential", credential}});
        }
        order.push_back({{"priority", tier.priority}, {"backends", backends}});
    }
    const core::exchange_deadlines limits{p.timeouts.first_byte, p.timeouts.first_byte_stream, p.timeouts.request};
    return {{"pool", name},
            {"model", p.model},
            {"version", p.version},
            {"balance", p.balance},
            {"prefer", config::to_string(p.prefer)},
            {"order", order},
            {"left_out", left_out_of(t, p, plan)},
            {"attempts", p.retry.attempts},
            {"timeouts",
             {{"connect", duration_text(p.timeouts.connect)},
              {"first_byte", duration_text(limits.first_byte_limit(false, {}))},
              {"first_byte_stream", duration_text(limits.first_byte_limit(true, {}))},
              {"idle", duration_text(p.timeouts.idle)},
              {"request", duration_text(limits.request_limit({}))}}}};
}

void print_pool(const json& p, const std::string& share) {
    std::cout << "pool " << p["pool"].get<std::string>() << share << ": " << p["model"].get<std::string>() << ' '
              << p["version"].get<std::string>() << ", " << p["balance"].get<std::string>()
              << (p["prefer"] == "none" ? "" : ", prefer " + p["prefer"].get<std::string>()) << ", up to "
              << p["attempts"] << " attempts\n";
    for (const auto& tier : p["order"]) {
        std::cout << "  priority " << tier["priority"] << '\n';
        for (const auto& b : tier["backends"])
            std::cout << "    weight " << b["weight"] << "  " << b["instance"].get<std::string>() << '/'
                      << b["deployment"].get<std::string>() << "  " << b["type"].get<std::string>() << ' '
                      << b["region"].get<std::string>() << "  credential " << b["credential"].get<std::string>()
                      << (b["kind"] == "openai" ? "  kind openai" : "")
                      << (b["proxy"] == "" ? "" : "  by proxy " + b["proxy"].get<std::string>()) << '\n';
    }
    for (const auto& b : p["left_out"])
        std::cout << "  never asked: " << b["instance"].get<std::string>() << '/'
                  << b["deployment"].get<std::string>() << ", " << b["because"].get<std::string>() << '\n';
    const auto& t = p["timeouts"];
    std::cout << "  time: connect " << t["connect"].get<std::string>() << ", first byte "
              << t["first_byte"].get<std::string>() << " (streams " << t["first_byte_stream"].get<std::string>()
              << ") each attempt, " << t["request"].get<std::string>()
              << " for all attempts until the answer begins, then " << t["idle"].get<std::string>()
              << " between two pieces.\n        A client's x-stainless-timeout bounds both; where they are not "
                 "configured it also prolongs them.\n";
}

int explain(const explain_options& o) {
    const auto checked = load(o.path);
    if (!checked) {
        print_issues(checked.error());
        return 1;
    }
    const auto& t = checked->tree;
    if (!t.clients.contains(o.client)) {
        std::cerr << "there is no client called '" << o.client << "'\n";
        return 1;
    }
    std::map<std::string, std::string> headers;
    for (const auto& h : o.headers) headers[h.substr(0, h.find('='))] = h.substr(h.find('=') + 1);
    json out{{"client", o.client},
             {"deployment", o.deployment},
             {"operation", o.operation},
             {"passed_over", json::array()}};
    const config::route* chosen = nullptr;
    for (std::size_t i = 0; i < t.routes.size() && chosen == nullptr; ++i) {
        const auto why = why_not(t, t.routes[i], o, headers);
        if (why.empty()) {
            chosen = &t.routes[i];
            out["route"] = config::route_label(t, i);
        } else {
            out["passed_over"].push_back({{"route", config::route_label(t, i)}, {"because", why}});
        }
    }
    if (chosen != nullptr && chosen->passthrough) out["passthrough"] = true;
    json pools = json::array();
    if (chosen != nullptr && chosen->split) {
        for (const auto& [name, weight] : chosen->split->pools) {
            auto p = explain_pool(t, name);
            p["share"] = weight;
            pools.push_back(std::move(p));
        }
    } else if (chosen != nullptr) {
        pools.push_back(explain_pool(t, chosen->pool));
    }
    out["pools"] = pools;
    std::vector<std::string> names;
    for (const auto& p : pools) names.push_back(p["pool"].get<std::string>());
    out["limits"] = explain_limits(t, o.client, names);
    if (o.json_out) {
        std::cout << out.dump(1) << '\n';
        return chosen == nullptr ? 1 : 0;
    }
    for (const auto& p : out["passed_over"])
        std::cout << "route " << p["route"].get<std::string>()
                  << " does not match: " << p["because"].get<std::string>() << '\n';
    if (chosen == nullptr) {
        std::cout << "no route matches: the client would get " << (t.gateway.hide_existence ? "404" : "403 or 404")
                  << '\n';
        return 1;
    }
    std::cout << "route " << out["route"].get<std::string>() << " matches\n";
    if (chosen->passthrough)
        std::cout << "the client's own token goes to the instance; credentials below do not count\n";
    for (const auto& p : pools)
        print_pool(p, p.contains("share") ? ", share " + std::to_string(p["share"].get<int>()) : "");
    print_limits(out["limits"]);
    return 0;
}

}  // namespace

void add_explain(command_line& c) {
    static explain_options o;
    auto* e = c.app.add_subcommand("explain", "Tell what would become of a request, and why");
    add_config_option(*e, o.path);
    e->add_option("--client", o.client, "name of the client")->required();
    e->add_option("--deployment", o.deployment, "name that the client would use")->required();
    const auto names = core::operation_names();
    e->add_option("--operation", o.operation, "what it asks for")
        ->capture_default_str()
        ->check(CLI::IsMember(std::vector<std::string>(names.begin(), names.end())));
    e->add_option("-H,--header", o.headers, "name=value of a request header");
    e->add_flag("--json", o.json_out, "as JSON");
    e->footer("Example: spillway explain -c spillway.yaml --client shop --deployment gpt-4o -H x-experiment=long");
    e->callback([&c] { c.exit_code = explain(o); });
}

}  // namespace spillway::cli
