#include <iostream>

#include <spillway/config/schema.hpp>

#include "commands.hpp"

namespace spillway::cli {

void add_schema(command_line& c) {
    c.app.add_subcommand("schema", "Print the JSON Schema of the configuration, for editors")->callback([] {
        std::cout << config::json_schema();
    });
    c.app.add_subcommand("reference", "Print the reference of all configuration keys as Markdown")->callback([] {
        std::cout << config::reference_markdown();
    });
}

}  // namespace spillway::cli
