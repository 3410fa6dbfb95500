#include <iostream>

#include <nlohmann/json.hpp>

#include <spillway/server/accounting.hpp>
#include <spillway/server/admin.hpp>
#include <spillway/server/compile.hpp>
#include <spillway/server/preflight.hpp>

#include "commands.hpp"

namespace spillway::cli {
namespace {

struct check_options {
    std::string path;
    bool json{false}, files{false};
};

nlohmann::json to_json(const std::vector<config::issue>& issues) {
    nlohmann::json out = nlohmann::json::array();
    for (const auto& i : issues)
        out.push_back({{"level", i.level == config::severity::error ? "error" : "warning"},
                       {"file", i.file},
                       {"line", i.line},
                       {"column", i.column},
                       {"key", i.key_path},
                       {"what", i.what},
                       {"remedy", i.remedy}});
    return out;
}

// All that a start would stumble over, but for what only the start can know: addresses in use, stores that are away.
void look_further(const config::checked& from, server::file_rule files, std::vector<config::issue>& issues) {
    stats::label_table labels;
    server::identity_service nobody([](const std::string&) {}, {}, true);
    const auto made = server::compiler(labels, nobody).compile(from, nullptr, files);
    issues.insert(issues.end(), made.issues.begin(), made.issues.end());
    server::preflight(from.tree, files, issues);
    server::accounting([](const std::string&) {}).stage(from.tree, issues, {.open = false, .files = files});
    if (const auto f = server::admin::trouble_with_keys(from.tree.admin, files))
        issues.push_back(from.tree.source.make(config::severity::error, "admin.keys", f->message, ""));
}

int check(const check_options& o) {
    auto checked = load(o.path);
    std::vector<config::issue> issues = checked ? checked->warnings : checked.error();
    if (checked) look_further(*checked, o.files ? server::file_rule::needed : server::file_rule::if_there, issues);
    const bool good = !config::has_errors(issues);
    if (o.json) {
        std::cout << nlohmann::json{{"ok", good}, {"issues", to_json(issues)}}.dump(1) << '\n';
        return good ? 0 : 1;
    }
    print_issues(issues);
    if (!good) {
        std::cerr << o.path << " would be refused\n";
        return 1;
    }
    const auto& t = checked->tree;
    std::cout << o.path << " is good: " << t.listeners.size() << " listeners, " << t.instances.size()
              << " instances, " << t.pools.size() << " pools, " << t.clients.size() << " clients, " << t.routes.size()
              << " routes; hash " << checked->hash << '\n';
    return 0;
}

}  // namespace

void add_check(command_line& c) {
    static check_options o;
    auto* check_command = c.app.add_subcommand("check", "Tell everything that is wrong with a configuration");
    add_config_option(*check_command, o.path);
    check_command->add_option("file", o.path, "the file, instead of --config");
    check_command->add_flag("--json", o.json, "issues as JSON on standard output");
    check_command->add_flag(
        "--files", o.files,
        "certificates, secrets and log files have to be there, as for a start; without, those are checked that are");
    check_command->footer(
        "Errors forbid the configuration, warnings are advice. Each line: file:line:column, key path, what, remedy.\n"
        "Example: spillway check config/spillway.yaml && kubectl apply -f ...");
    check_command->callback([&c] { c.exit_code = check(o); });
}

}  // namespace spillway::cli
