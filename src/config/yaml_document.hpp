#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/config/issue.hpp>

#include "issue_sink.hpp"

namespace spillway::config {

struct yaml_node;

struct yaml_entry {
    std::string key;
    mark at;  // of the key
    const yaml_node* value{nullptr};
};

// A plain tree of what the file says. An alias is the very node that its anchor names.
struct yaml_node {
    enum class kind : std::uint8_t { null, scalar, list, map };

    kind what{kind::null};
    mark at;
    std::string text;                     // of a scalar
    std::vector<yaml_entry> entries;      // of a map, in the order of the file, keys unique
    std::vector<const yaml_node*> items;  // of a list
    std::uint64_t weight{1};              // nodes below and with this one, aliases counted as often as they are used

    const yaml_entry* find(std::string_view key) const noexcept;
};

struct yaml_document {
    std::deque<yaml_node> nodes;  // stable addresses
    const yaml_node* root{nullptr};
};

inline constexpr std::size_t max_yaml_depth = 64;
inline constexpr std::uint64_t max_yaml_nodes = 100'000;

// Parses one document of YAML into nodes with their places. Duplicate keys, keys that are no plain text, tags, merge
// keys, several documents, nodes beyond the limits and whatever is no YAML at all become issues; nothing is thrown.
// The root is null when nothing could be read.
yaml_document parse_yaml(std::string_view text, issue_sink& issues);

}  // namespace spillway::config
