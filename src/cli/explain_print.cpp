#include "explain_print.hpp"

#include <iostream>
#include <string>

namespace spillway::cli {
namespace {

using nlohmann::json;

std::string text(const json& from, const char* name) { return from.at(name).get<std::string>(); }

void print_now(const json& now) {
    if (const auto& first = now["first"]; first.is_null()) {
        std::cout << "  now nobody would be asked\n";
    } else {
        std::cout << "  now asked first: " << text(first, "backend")
                  << (first["last_resort"].get<bool>() ? " (a last resort: nobody is usable)"
                      : first["trial"].get<bool>()     ? " (as a trial)"
                                                       : "")
                  << '\n';
    }
    for (const auto& other : now["others"]) {
        std::cout << "  not first: " << text(other, "backend") << ", " << text(other, "because");
        if (!other["turn"].is_null()) std::cout << "; attempt " << other["turn"] << " should others fail";
        std::cout << '\n';
    }
}

void print_pool(const json& p) {
    std::cout << "pool " << text(p, "pool")
              << (p.contains("share") ? ", share " + std::to_string(p["share"].get<int>()) : "") << ": "
              << text(p, "model") << ' ' << text(p, "version") << ", " << text(p, "balance")
              << (p["prefer"] == "none" ? "" : ", prefer " + text(p, "prefer")) << ", up to " << p["attempts"]
              << " attempts\n";
    for (const auto& tier : p["order"]) {
        std::cout << "  priority " << tier["priority"] << '\n';
        for (const auto& b : tier["backends"])
            std::cout << "    weight " << b["weight"] << "  " << text(b, "instance") << '/' << text(b, "deployment")
                      << "  " << text(b, "type") << ' ' << text(b, "region") << "  credential "
                      << text(b, "credential") << (b["kind"] == "openai" ? "  kind openai" : "")
                      << (b["proxy"] == "" ? "" : "  by proxy " + text(b, "proxy")) << '\n';
    }
    for (const auto& b : p["left_out"])
        std::cout << "  never asked: " << text(b, "instance") << '/' << text(b, "deployment") << ", "
                  << text(b, "because") << '\n';
    if (p.contains("now")) print_now(p["now"]);
    const auto& t = p["timeouts"];
    std::cout << "  time: connect " << text(t, "connect") << ", first byte " << text(t, "first_byte") << " (streams "
              << text(t, "first_byte_stream") << ") each attempt, " << text(t, "request")
              << " for all attempts until the answer begins, then " << text(t, "idle")
              << " between two pieces.\n        A client's x-stainless-timeout bounds both; where they are not "
                 "configured it also prolongs them.\n";
}

void print_limits(const json& limits) {
    if (limits["quotas"].empty()) std::cout << "quota: none\n";
    for (const auto& q : limits["quotas"]) {
        std::cout << "quota of " << q["holder"].get<std::string>() << ":";
        for (const auto& [name, value] : q["limits"].items())
            std::cout << "  " << name << ' ' << (value.is_string() ? value.get<std::string>() : value.dump());
        std::cout << '\n';
    }
    for (const auto& g : limits["gives_way_in"])
        std::cout << "priority " << limits["priority"].get<std::string>() << ": refused while pool "
                  << g["pool"].get<std::string>() << " has less than " << 100 * g["below_share"].get<double>()
                  << " % of its capacity left\n";
    std::cout << (limits["records"].is_null() ? "usage: not recorded\n"
                                              : "usage: recorded in " + limits["records"].get<std::string>() + '\n');
}

}  // namespace

void print_explanation(const json& told) {
    for (const auto& p : told["passed_over"])
        std::cout << "route " << text(p, "route") << " does not match: " << text(p, "because") << '\n';
    if (!told.contains("route")) {
        std::cout << "no route matches: the client would get " << text(told, "answer") << '\n';
        return;
    }
    std::cout << "route " << text(told, "route") << " matches\n";
    if (told.contains("passthrough"))
        std::cout << "the client's own token goes to the instance; credentials below do not count\n";
    if (told.contains("stays_with"))
        std::cout << "this client or user stays with pool " << text(told, "stays_with") << '\n';
    for (const auto& p : told["pools"]) print_pool(p);
    print_limits(told["limits"]);
}

}  // namespace spillway::cli
