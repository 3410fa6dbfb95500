#include <iomanip>
#include <iostream>

#include <nlohmann/json.hpp>

#include "admin_client.hpp"
#include "commands.hpp"

namespace spillway::cli {
namespace {

struct status_options {
    admin_place admin;
    bool json{false}, ready{false};
};

void print_quotas(const nlohmann::json& q) {
    if (q.is_null()) return;
    if (!q["up"].get<bool>()) std::cout << "quotas: " << q["store"].get<std::string>() << " is AWAY\n";
    for (const auto& h : q["holders"]) {
        std::cout << "quota " << h["name"].get<std::string>();
        for (const auto& [name, l] : h["limits"].items())
            std::cout << "  " << name << ' ' << l["used"] << '/' << (l.contains("room") ? l["room"] : l["limit"]);
        if (h["refused"] != 0) std::cout << "  refused " << h["refused"];
        std::cout << '\n';
    }
}

void print(const nlohmann::json& s) {
    const auto& g = s["gateway"];
    std::cout << g["name"].get<std::string>() << ", version " << g["version"].get<std::string>()
              << (g["draining"].get<bool>() ? ", draining"
                  : g["ready"].get<bool>()  ? ", ready"
                                            : ", NOT ready")
              << "; configuration " << s["configuration"]["hash"].get<std::string>() << ", reloads "
              << s["configuration"]["reloads"]["good"] << " good, " << s["configuration"]["reloads"]["bad"]
              << " refused\n";
    for (const auto& line : s["attention"]) std::cout << "! " << line.get<std::string>() << '\n';
    if (const auto& u = s["usage"]; !u.is_null())
        std::cout << "usage: " << u["store"].get<std::string>() << (u["up"].get<bool>() ? ", " : ", AWAY, ")
                  << u["written"] << " records written, " << u["waiting"] << " waiting, " << u["lost"] << " lost\n";
    print_quotas(s["quotas"]);
    for (const auto& p : s["pools"]) {
        std::cout << "\npool " << p["name"].get<std::string>() << " (" << p["model"].get<std::string>() << ' '
                  << p["version"].get<std::string>() << "): " << p["health"].get<std::string>() << '\n';
        for (const auto& b : p["backends"]) {
            const auto& breaker = b["breaker"];
            std::cout << "  priority " << b["priority"] << " weight " << b["weight"] << "  "
                      << b["name"].get<std::string>() << "  " << breaker["state"].get<std::string>();
            if (breaker.contains("seconds_left"))
                std::cout << ", " << std::fixed << std::setprecision(1) << breaker["seconds_left"].get<double>()
                          << " s left" << std::defaultfloat;
            std::cout << ", " << b["outstanding"] << " in flight";
            // Of a backend that is used, requests tell enough.
            if (const auto& probe = b["proof"]["last_probe"]; breaker["state"] != "closed" && !probe.is_null())
                std::cout << ", last probe " << probe["result"].get<std::string>();
            std::cout << '\n';
        }
    }
}

int status(const status_options& o) {
    if (o.ready) return ask_admin(o.admin, "GET", "/health/ready").first == 200 ? 0 : 1;
    const auto [code, body] = ask_admin(o.admin, "GET", "/status");
    if (code != 200) {
        std::cerr << "the gateway answered " << code << (code == 401 ? ": give --key-file" : "") << '\n';
        return 1;
    }
    if (o.json) std::cout << body << '\n';
    else print(nlohmann::json::parse(body));
    return 0;
}

}  // namespace

void add_status(command_line& c) {
    static status_options o;
    auto* s = c.app.add_subcommand("status", "Ask a running gateway for pools, backends and breakers");
    add_admin_options(*s, o.admin);
    s->add_flag("--json", o.json, "everything, as JSON");
    s->add_flag("--ready", o.ready, "say nothing; exit 0 when it is ready, else 1 (for container health checks)");
    s->callback([&c] { c.exit_code = status(o); });
}

}  // namespace spillway::cli
