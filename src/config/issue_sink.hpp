#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <spillway/config/load.hpp>

namespace spillway::config {

// Collects what is wrong with one file, up to a number that a person still reads.
class issue_sink {
public:
    explicit issue_sink(std::string file) : file_(std::move(file)) {}

    void error(mark at, std::string key_path, std::string what, std::string remedy) {
        add({file_, at.line, at.column, std::move(key_path), std::move(what), std::move(remedy), severity::error});
    }
    void warning(mark at, std::string key_path, std::string what, std::string remedy) {
        add({file_, at.line, at.column, std::move(key_path), std::move(what), std::move(remedy), severity::warning});
    }
    // All issues in the order of the file.
    std::vector<issue> take();

private:
    void add(issue i);

    std::string file_;
    std::vector<issue> issues_;
    bool cut_{false};
};

// What checks of a whole tree have in common: issues at the place of their key.
class tree_check {
public:
    tree_check(const tree& t, std::vector<issue>& out) : tree_(t), issues_(out) {}

protected:
    void error(const std::string& path, std::string what, std::string remedy) {
        issues_.push_back(tree_.source.make(severity::error, path, std::move(what), std::move(remedy)));
    }
    void warn(const std::string& path, std::string what, std::string remedy) {
        issues_.push_back(tree_.source.make(severity::warning, path, std::move(what), std::move(remedy)));
    }

    const tree& tree_;
    std::vector<issue>& issues_;
};

// To suggest one of them.
template <class T>
std::vector<std::string_view> names_of(const named<T>& all) {
    std::vector<std::string_view> out;
    for (const auto& [name, value] : all) out.push_back(name);
    return out;
}

void sort_by_place(std::vector<issue>& issues);

std::string child_path(std::string_view parent, std::string_view key);
std::string child_path(std::string_view parent, std::size_t index);

}  // namespace spillway::config
