#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace spillway::config {

enum class severity : std::uint8_t { error, warning };

// One thing that is wrong with a configuration, told so that its reader can mend it without the manual.
struct issue {
    std::string file;
    int line{0};           // from 1; 0 when there is no place (the file cannot be opened)
    int column{0};         // from 1, in characters
    std::string key_path;  // "pools.gpt-4o.backends[1].instance"; empty for the file as a whole
    std::string what;      // what is wrong; never holds a secret
    std::string remedy;    // what to do, may be empty
    severity level{severity::error};

    friend bool operator==(const issue&, const issue&) = default;
};

// `file:line:column: error: key.path: what. remedy.` on one line; editors and CI systems jump to it.
std::string format(const issue& i);
bool has_errors(const std::vector<issue>& issues) noexcept;

// Where a value stands in the file, both from 1.
struct mark {
    int line{0};
    int column{0};

    friend bool operator==(const mark&, const mark&) = default;
};

// The places of all values and named entries that the loader read, by key path, so that the typed tree stays plain
// structs and validation can still point at the character.
class source_map {
public:
    source_map() = default;
    explicit source_map(std::string file) : file_(std::move(file)) {}

    const std::string& file() const noexcept { return file_; }
    void add(std::string key_path, mark m) { marks_.insert_or_assign(std::move(key_path), m); }
    // Whether the key is written in the file, as opposed to having its default.
    bool has(std::string_view key_path) const { return marks_.find(key_path) != marks_.end(); }
    // The place of the key, or of the nearest thing around it that is written in the file.
    mark find(std::string_view key_path) const;
    issue make(severity level, std::string key_path, std::string what, std::string remedy) const;

private:
    std::string file_;
    std::map<std::string, mark, std::less<>> marks_;
};

}  // namespace spillway::config
