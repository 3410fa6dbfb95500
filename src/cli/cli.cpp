#include <spillway/cli/cli.hpp>

#include <iostream>

#include <spillway/server/known_names.hpp>

#include "commands.hpp"

namespace spillway::cli {

void add_config_option(CLI::App& to, std::string& path) {
    path = default_config;
    to.add_option("-c,--config", path, "configuration file")->envname("SPILLWAY_CONFIG")->capture_default_str();
}

config::check_result load(const std::string& path) { return config::check_file(path, server::known_names()); }

void print_issues(const std::vector<config::issue>& issues) {
    for (const auto& i : issues) std::cerr << config::format(i) << '\n';
}

int run_cli(int argc, char** argv) {
    command_line c;
    c.app.name("spillway");
    c.app.description(
        "Spillway stands in front of many Azure OpenAI deployments: clients keep their OpenAI SDK and change the\n"
        "endpoint; Spillway picks a backend, retries elsewhere when one refuses, and streams the answer through.");
    c.app.footer(
        "A first start:\n"
        "  spillway keys new                      # a key for a client, and its hash for the configuration\n"
        "  spillway check -c spillway.yaml        # everything that is wrong with it, and advice\n"
        "  spillway explain -c spillway.yaml --client shop --deployment gpt-4o\n"
        "  spillway run -c spillway.yaml\n"
        "\n"
        "Exit codes: 0 done, 1 it did not work (the reason is on standard error), 2 wrong usage.");
    c.app.require_subcommand(1);
    c.app.set_help_all_flag("--help-all", "help of all commands");
    add_run(c);
    add_check(c);
    add_explain(c);
    add_status(c);
    add_quotas(c);
    add_keys(c);
    add_schema(c);
    add_usage(c);
    add_version(c);
    try {
        c.app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return c.app.exit(e) == 0 ? 0 : 2;
    } catch (const std::exception& e) {
        std::cerr << "spillway: " << e.what() << '\n';
        return 1;
    }
    return c.exit_code;
}

}  // namespace spillway::cli
