#include <iostream>

#include <nlohmann/json.hpp>

#include <spillway/server/compile.hpp>
#include <spillway/server/redact.hpp>

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

int check(const check_options& o) {
    auto checked = load(o.path);
    std::vector<config::issue> issues = checked ? checked->warnings : checked.error();
    if (checked)
        if (const auto r = server::redactor::make(checked->tree.log.capture); !r)
            issues.push_back(checked->tree.source.make(config::severity::error, "log.capture.redact",
                                                       r.error().message, "mend the pattern"));
    if (checked && o.files) {
        stats::label_table labels;
        server::identity_service nobody([](const std::string&) {}, {}, true);
        const auto made = server::compiler(labels, nobody).compile(*checked, nullptr);
        issues.insert(issues.end(), made.issues.begin(), made.issues.end());
    }
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
    check_command->add_flag("--files", o.files, "also read certificates and secrets, as a start would");
    check_command->footer(
        "Errors forbid the configuration, warnings are advice. Each line: file:line:column, key path, what, remedy.\n"
        "Example: spillway check config/spillway.yaml && kubectl apply -f ...");
    check_command->callback([&c] { c.exit_code = check(o); });
}

}  // namespace spillway::cli
