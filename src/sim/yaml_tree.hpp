#pragma once

#include <map>
#include <string>

#include <spillway/base/fault.hpp>

#include "json_tools.hpp"

namespace spillway::sim {

// A YAML document as objects, arrays and texts: every scalar is text, its reader knows what it should be.
struct yaml_tree {
    json root;
    std::map<std::string, int> lines;  // "instances.a.address" -> line of the key, counted from 1
};

// Refuses what is no YAML, keys that occur twice, and documents that are no map.
result<yaml_tree> read_yaml(const std::string& text);

}  // namespace spillway::sim
