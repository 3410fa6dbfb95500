#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/config/issue.hpp>
#include <spillway/config/secret.hpp>
#include <spillway/config/tree.hpp>

namespace spillway::config {

// What a text of YAML said. The tree is usable only when no issue is an error; until then values that could not be
// read have their defaults.
struct loaded {
    config::tree tree;
    std::vector<issue> issues;  // in the order of the file, at most `max_issues`
    std::string text;           // that it was read from
    bool read{true};            // no: the text broke off before there was anything to validate
    std::string
        hash;  // 32 hex digits of the file's bytes: equal files, equal hash, on every replica. Not cryptographic
};

inline constexpr std::size_t max_issues = 50;
inline constexpr std::size_t max_file_bytes = 16 * 1024 * 1024;

// Reads the configuration's language: YAML, kinds, ranges, `${ENV}` references. Never throws, never reads any other
// file. References between parts are validate()'s business.
loaded load_text(std::string_view text, std::string_view file_name, const environment& env = process_environment());
loaded load_file(const std::string& path, const environment& env = process_environment());

// What a keys file said: client to keys.
struct loaded_keys {
    named<std::vector<client_key>> keys;
    source_map source;
    std::vector<issue> issues;
    std::string text;
    std::string hash;
};
loaded_keys load_keys_text(std::string_view text, std::string_view file_name,
                           const environment& env = process_environment());
loaded_keys load_keys_file(const std::string& path, const environment& env = process_environment());

}  // namespace spillway::config
