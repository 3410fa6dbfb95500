#include "yaml_tree.hpp"

#include <yaml-cpp/yaml.h>

#include <stdexcept>

namespace spillway::sim {
namespace {

constexpr int max_depth = 32;

struct converter {
    yaml_tree tree;

    json convert(const YAML::Node& node, const std::string& path, int depth) {
        if (depth > max_depth) throw std::runtime_error(path + ": nested too deeply");
        if (node.IsScalar()) return node.Scalar();
        if (node.IsSequence()) {
            json out = json::array();
            for (const auto& item : node)
                out.push_back(convert(item, path + "[" + std::to_string(out.size()) + "]", depth + 1));
            return out;
        }
        if (!node.IsMap()) return nullptr;
        json out = json::object();
        for (const auto& entry : node) {
            const std::string key = entry.first.Scalar();
            const std::string below = path.empty() ? key : path + "." + key;
            const int line = entry.first.Mark().line + 1;
            if (out.contains(key))
                throw std::runtime_error("line " + std::to_string(line) + ": " + below + ": occurs twice");
            tree.lines[below] = line;
            out[key] = convert(entry.second, below, depth + 1);
        }
        return out;
    }
};

fault bad(std::string message) {
    return {.code = "SimulatorSettings", .who = origin::client, .status = 400, .message = std::move(message)};
}

}  // namespace

// yaml-cpp reports by exceptions; they end here.
result<yaml_tree> read_yaml(const std::string& text) {
    try {
        const YAML::Node node = YAML::Load(text);
        if (!node.IsMap()) return bad("the settings have to be a map of keys");
        converter c;
        c.tree.root = c.convert(node, {}, 0);
        return std::move(c.tree);
    } catch (const std::exception& e) {
        return bad(e.what());
    }
}

}  // namespace spillway::sim
