#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include <spillway/core/operation.hpp>
#include <spillway/server/compile.hpp>
#include <spillway/server/explain.hpp>

#include "admin_client.hpp"
#include "commands.hpp"
#include "explain_print.hpp"

namespace spillway::cli {
namespace {

struct explain_options {
    std::string path;
    server::question asked;
    std::vector<std::string> headers;
    admin_place admin;
    bool running{false}, json_out{false};
};

// By the file alone, compiled as a gateway compiles it. No secret is read.
std::optional<std::string> by_file(const explain_options& o) {
    const auto checked = load(o.path);
    if (!checked) {
        print_issues(checked.error());
        return {};
    }
    stats::label_table labels;
    server::identity_service nobody([](const std::string&) {}, {}, true);
    const auto made = server::compiler(labels, nobody).compile(*checked, nullptr, server::file_rule::unread);
    if (!made.snapshot) {
        print_issues(made.issues);
        return {};
    }
    auto out =
        server::explain_text(checked->tree, *made.snapshot, o.asked, server::explain_mode::configured, clock::now());
    if (out) return std::move(*out);
    std::cerr << out.error().message << '\n';
    return {};
}

// By a gateway that runs, with what its breakers and counts say now.
std::optional<std::string> by_gateway(const explain_options& o) {
    auto [status, body] = ask_admin(o.admin, "GET", "/explain?" + server::query_of(o.asked));
    if (status == 200) return std::move(body);
    const auto told = nlohmann::json::parse(body, nullptr, false);
    const auto why = nlohmann::json::json_pointer("/error/message");
    if (status != 401 && told.is_object() && told.contains(why) && told[why].is_string())
        std::cerr << told[why].get<std::string>() << '\n';
    else std::cerr << "the gateway answered " << status << (status == 401 ? ": give --key-file" : "") << '\n';
    return {};
}

int explain(explain_options& o) {
    for (const auto& h : o.headers) {
        const auto equals = std::min(h.find('='), h.size());
        o.asked.headers.emplace_back(h.substr(0, equals), h.substr(std::min(equals + 1, h.size())));
    }
    const auto text = o.running ? by_gateway(o) : by_file(o);
    if (!text) return 1;
    const auto told = nlohmann::json::parse(*text);
    if (o.json_out) std::cout << *text;
    else print_explanation(told);
    return told.contains("route") ? 0 : 1;
}

}  // namespace

void add_explain(command_line& c) {
    static explain_options o;
    auto* e = c.app.add_subcommand("explain", "Tell what would become of a request, and why");
    add_config_option(*e, o.path);
    e->add_option("--client", o.asked.client, "name of the client")->required();
    e->add_option("--deployment", o.asked.deployment, "name that the client would use")->required();
    const auto names = core::operation_names();
    e->add_option("--operation", o.asked.operation, "what it asks for")
        ->capture_default_str()
        ->check(CLI::IsMember(std::vector<std::string>(names.begin(), names.end())));
    e->add_option("--user", o.asked.user, "user that the request would name, for splits that stay with a user");
    e->add_option("-H,--header", o.headers, "name=value of a request header");
    e->add_flag(
        "--running", o.running,
        "ask a running gateway instead of the file: which backend would be asked now, and why not the others");
    add_admin_options(*e, o.admin);
    e->add_flag("--json", o.json_out, "as JSON");
    e->footer(
        "Example: spillway explain -c spillway.yaml --client shop --deployment gpt-4o -H x-experiment=long\n"
        "         spillway explain --running --admin 127.0.0.1:9901 --client shop --deployment gpt-4o");
    e->callback([&c] { c.exit_code = explain(o); });
}

}  // namespace spillway::cli
