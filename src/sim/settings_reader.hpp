#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/base/time.hpp>

#include "json_tools.hpp"

namespace spillway::sim {

// "20ms", "1.5s", "2m", "1h" and "0".
std::optional<duration> parse_duration(std::string_view s);

// Everything that is wrong with one file or one call, each with its place.
struct problems {
    std::map<std::string, int> lines;  // of a key's path, when the settings came from a file
    std::vector<std::string> found;

    void add(const std::string& path, std::string_view what);
    fault as_fault(const std::string& about) const;
};

// One object of the settings. Every reading function leaves its argument alone when the key is absent; finish()
// reports the keys that were not read. Values may be JSON's own or text, which is all that YAML gives us.
class settings_reader {
public:
    settings_reader(const json& node, std::string path, problems& out);

    const json* raw(const char* key);
    bool has(const char* key) const { return find(node_, key) != nullptr; }

    // ${NAME} and ${NAME:-otherwise} are replaced from the environment.
    void text(const char* key, std::string& out);
    void flag(const char* key, bool& out);
    void count(const char* key, std::uint64_t& out);
    void count(const char* key, std::optional<std::uint64_t>& out);
    void time(const char* key, duration& out);
    // From 0 to 1.
    void share(const char* key, double& out);
    // A list of texts.
    void list(const char* key, std::vector<std::string>& out);
    // An object of texts.
    void texts(const char* key, std::vector<std::pair<std::string, std::string>>& out);

    void problem(const char* key, std::string_view what) { out_.add(path_of(key), what); }
    std::string path_of(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
    void finish();

private:
    std::optional<std::string> scalar(const char* key);
    std::string expand(const char* key, const std::string& value);

    const json& node_;
    std::string path_;
    problems& out_;
    std::vector<std::string> taken_;
};

}  // namespace spillway::sim
