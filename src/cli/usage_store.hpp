#pragma once

#include <optional>
#include <string>

#include "commands.hpp"

// Which store `spillway usage` and its subcommand look at.
namespace spillway::cli {

struct usage_store_options {
    std::string path, store, password_file, currency;
};
void add_store_options(CLI::App& to, usage_store_options& o);

struct usage_place {
    std::string store, password, currency;
};
// From the options, the configuration where they name no store. Nothing: standard error says why.
std::optional<usage_place> place_of(const usage_store_options& o);

// `spillway usage offer-again`.
CLI::App* add_offer_again(CLI::App& usage, command_line& c);

}  // namespace spillway::cli
