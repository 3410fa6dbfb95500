#include <algorithm>
#include <map>
#include <stdexcept>

#include <spillway/config/validate.hpp>

#include "issue_sink.hpp"
#include "text_check.hpp"

namespace spillway::config {
namespace {

// Takes the keys of a keys file over into their clients.
void add_keys(loaded& to, loaded_keys from, std::vector<issue>& issues) {
    issues.insert(issues.end(), from.issues.begin(), from.issues.end());
    to.hash = content_hash(to.hash + from.hash);
    const auto error = [&](const std::string& path, std::string what, std::string remedy) {
        issues.push_back(from.source.make(severity::error, path, std::move(what), std::move(remedy)));
    };
    std::map<key_hash, std::string> owners;
    for (const auto& [name, c] : to.tree.clients)
        for (const auto& k : c.keys) owners.emplace(k.hash, name);
    for (auto& [name, keys] : from.keys) {
        const auto client = to.tree.clients.find(name);
        if (client == to.tree.clients.end()) {
            error(name, "there is no client called '" + name + "'", "add it under clients, or take its keys out");
            continue;
        }
        for (std::size_t i = 0; i < keys.size(); ++i) {
            const auto [at, is_new] = owners.emplace(keys[i].hash, name);
            if (ends_before_it_begins(keys[i]))
                error(child_path(name, i), "the key ends before it begins", "put expires after not_before");
            if (!is_new)
                error(child_path(name, i), "the key belongs to client " + at->second + " already",
                      "give each client its own key");
            else client->second.keys.push_back(keys[i]);
        }
    }
}

// Without the keys of the keys file.
std::vector<issue> validate_loaded(loaded& from, const known_names& names) {
    auto issues = std::move(from.issues);
    if (!from.read) return issues;  // all that is missing in the tree stands in the part that was not read
    const auto unread = issues.size();
    for (auto& found : validate(from.tree, names)) {
        // What could not be read has a hole in the tree; that is told once.
        const bool told = std::any_of(
            issues.begin(), issues.begin() + static_cast<std::ptrdiff_t>(unread),
            [&](const issue& i) { return i.level == severity::error && found.key_path.starts_with(i.key_path); });
        if (!told) issues.push_back(std::move(found));
    }
    sort_by_place(issues);
    return issues;
}

check_result check(loaded from, const known_names& names, const environment& env) {
    auto issues = validate_loaded(from, names);
    std::string keys_text;
    if (!from.tree.keys_file.empty()) {
        auto keys = load_keys_file(from.tree.keys_file, env);
        keys_text = keys.text;
        add_keys(from, std::move(keys), issues);
    }
    if (has_errors(issues)) return issues;
    return checked{std::move(from.tree), std::move(issues), std::move(from.hash), std::move(from.text),
                   std::move(keys_text)};
}

}  // namespace

check_result check_file(const std::string& path, const known_names& names, const environment& env) {
    return check(load_file(path, env), names, env);
}

check_result check_text(std::string_view text, std::string_view file_name, const known_names& names,
                        const environment& env) {
    return check(load_text(text, file_name, env), names, env);
}

check_result check_again(const checked& last, const known_names& names, const environment& env) {
    auto now = check(load_text(last.text, last.tree.source.file(), env), names, env);
    if (now || last.tree.keys_file.empty()) return now;
    auto from = load_text(last.text, last.tree.source.file(), env);
    auto issues = validate_loaded(from, names);
    add_keys(from, load_keys_text(last.keys_text, last.tree.keys_file, env), issues);
    if (has_errors(issues)) return now;
    // What is wrong with the keys file on the disk, as advice.
    for (auto& i : now.error()) {
        i.level = severity::warning;
        issues.push_back(std::move(i));
    }
    return checked{std::move(from.tree), std::move(issues), std::move(from.hash), std::move(from.text),
                   last.keys_text};
}

void throw_exception_from_error(const std::vector<issue>& issues, const boost::source_location&) {
    throw std::runtime_error(issues.empty() ? "unchecked configuration" : format(issues.front()));
}

}  // namespace spillway::config
