#pragma once

#include <string>
#include <utility>

#include <CLI/CLI.hpp>

namespace spillway::cli {

struct admin_place {
    std::string address{"127.0.0.1:9901"}, key_file;
};

// `--admin` and `--key-file`.
void add_admin_options(CLI::App& to, admin_place& at);

// Asks the admin listener of a running gateway: status and body. Throws std::runtime_error.
std::pair<unsigned, std::string> ask_admin(const admin_place& at, const std::string& method, const std::string& path);

}  // namespace spillway::cli
