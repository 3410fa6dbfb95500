#include <spillway/server/server.hpp>

#include "commands.hpp"

namespace spillway::cli {

void add_run(command_line& c) {
    static server::options with;
    auto* run = c.app.add_subcommand("run", "Run the gateway until SIGTERM");
    add_config_option(*run, with.config_path);
    run->add_option("--log-level", with.log_level, "overrides log.level")
        ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}));
    run->footer(
        "Signals: SIGTERM and SIGINT drain and end (a second one ends at once), SIGHUP reloads the configuration "
        "and\n"
        "reopens the access log. The configuration, certificates and secret files are watched anyway.");
    run->callback([&c] { c.exit_code = server::run(with); });
}

}  // namespace spillway::cli
