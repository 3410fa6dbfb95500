#pragma once

#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <spillway/config/validate.hpp>

// The commands, one file each. Each adds itself to the program and leaves its exit code when it has run.
namespace spillway::cli {

struct command_line {
    CLI::App app;
    int exit_code{0};
};

void add_run(command_line& c);
void add_check(command_line& c);
void add_explain(command_line& c);
void add_status(command_line& c);
void add_keys(command_line& c);
void add_quotas(command_line& c);
void add_schema(command_line& c);
void add_usage(command_line& c);
void add_version(command_line& c);

inline constexpr const char* default_config = "/etc/spillway/spillway.yaml";

// `--config`, with its environment variable and default.
void add_config_option(CLI::App& to, std::string& path);
// The file, loaded and validated; what is wrong goes to standard error.
config::check_result load(const std::string& path);
void print_issues(const std::vector<config::issue>& issues);

}  // namespace spillway::cli
