#include <iostream>

#include <nlohmann/json.hpp>

#include "admin_client.hpp"
#include "commands.hpp"

namespace spillway::cli {
namespace {

using json = nlohmann::json;

struct quotas_options {
    admin_place admin;
    std::string holder;
};

int refused(unsigned code, const std::string& body) {
    const auto told = json::parse(body, nullptr, false);
    std::cerr << "the gateway answered " << code;
    if (told.is_object() && told.contains("error")) std::cerr << ": " << told["error"].value("message", "");
    std::cerr << (code == 401 ? " Give --key-file" : "") << '\n';
    return 1;
}

void print_holder(const json& h) {
    std::cout << h["name"].get<std::string>();
    if (h["refused"] != 0) std::cout << ", refused " << h["refused"];
    if (h.contains("alone")) std::cout << ", NOT kept in Redis: its share decides";
    std::cout << '\n';
    for (const auto& [name, l] : h["limits"].items()) {
        const json& room = l.contains("room") ? l["room"] : l["limit"];
        std::cout << "  " << name << ": " << l["used"] << " of " << room << " used";
        if (l.contains("reset_seconds")) std::cout << ", full again in " << l["reset_seconds"] << " s";
        std::cout << '\n';
    }
    if (!h.contains("spent_by")) return;
    for (const auto& s : h["spent_by"]) {
        std::cout << "  spent in " << h["period"].get<std::string>() << " by "
                  << (s["gateway"].is_null() ? "this gateway, by its own count"
                                             : s["gateway"].get<std::string>() + ", as told")
                  << ": " << s["tokens"] << " tokens, " << s["money_nanos"] << " nanounits\n";
    }
}

bool is_named(const json& holder, const std::string& name) {
    return name.empty() || holder["name"] == name || holder["name"] == "client:" + name;
}

int show(const quotas_options& o) {
    const auto [code, body] = ask_admin(o.admin, "GET", "/status");
    if (code != 200) return refused(code, body);
    const auto quotas = json::parse(body)["quotas"];
    if (quotas.is_null()) {
        std::cerr << "the gateway has no quotas\n";
        return 1;
    }
    std::cout << "store " << quotas["store"].get<std::string>() << (quotas["up"].get<bool>() ? "" : " is AWAY")
              << '\n';
    bool found = false;
    for (const auto& h : quotas["holders"]) {
        if (!is_named(h, o.holder)) continue;
        found = true;
        print_holder(h);
    }
    if (found || o.holder.empty()) return 0;
    std::cerr << "no quota has the holder '" << o.holder << "'\n";
    return 1;
}

int reset(const quotas_options& o) {
    const auto [code, body] = ask_admin(o.admin, "POST", "/quotas/reset?holder=" + o.holder);
    if (code != 200) return refused(code, body);
    const auto told = json::parse(body);
    std::cout << "reset " << told["reset"].get<std::string>();
    if (told["store"] != "memory")
        std::cout << (told["up"].get<bool>() ? ", here and at all gateways of this Redis"
                                             : ", here; at the others as soon as Redis is back");
    std::cout << '\n';
    return 0;
}

}  // namespace

void add_quotas(command_line& c) {
    static quotas_options o;
    auto* q = c.app.add_subcommand("quotas", "What clients have left, and how to correct a wrong number");
    q->require_subcommand(1);
    auto* const s = q->add_subcommand("show", "What is used of each quota, and which gateway says so");
    s->add_option("holder", o.holder, "client:NAME (or NAME), group:NAME, client:NAME/pool:POOL; none: all");
    add_admin_options(*s, o.admin);
    s->callback([&c] { c.exit_code = show(o); });
    auto* const r = q->add_subcommand(
        "reset",
        "Fill its buckets, and forget what Redis and other gateways say of its budget; each tells anew what "
        "it has spent itself");
    r->add_option("holder", o.holder, "client:NAME (or NAME), group:NAME, client:NAME/pool:POOL")
        ->required()
        ->check([](const std::string& name) {
            const auto odd =
                name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/");
            return odd == std::string::npos ? std::string() : "'" + name + "' is no name of a holder";
        });
    add_admin_options(*r, o.admin);
    r->callback([&c] { c.exit_code = reset(o); });
}

}  // namespace spillway::cli
