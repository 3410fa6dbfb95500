#include <iostream>
#include <memory>

#include <spillway/config/schema.hpp>
#include <spillway/stats/declaration.hpp>

#include "commands.hpp"

namespace spillway::cli {

void add_schema(command_line& c) {
    c.app.add_subcommand("schema", "Print the JSON Schema of the configuration, for editors")->callback([] {
        std::cout << config::json_schema();
    });
    auto* reference = c.app.add_subcommand("reference", "Print the reference of all configuration keys as Markdown");
    const auto metrics = std::make_shared<bool>(false);
    reference->add_flag("--metrics", *metrics, "That of all metrics instead");
    reference->callback(
        [metrics] { std::cout << (*metrics ? stats::reference_markdown() : config::reference_markdown()); });
}

}  // namespace spillway::cli
