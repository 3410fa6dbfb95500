#include <spillway/config/issue.hpp>

#include <algorithm>
#include <tuple>

#include "issue_sink.hpp"

namespace spillway::config {

std::string format(const issue& i) {
    std::string out = i.file;
    if (i.line > 0) out += ":" + std::to_string(i.line) + ":" + std::to_string(i.column);
    out += i.level == severity::error ? ": error: " : ": warning: ";
    if (!i.key_path.empty()) out += i.key_path + ": ";
    out += i.what;
    if (!i.remedy.empty()) out += ". " + i.remedy;
    if (out.back() != '?' && out.back() != '.') out += '.';
    return out;
}

bool has_errors(const std::vector<issue>& issues) noexcept {
    return std::any_of(issues.begin(), issues.end(), [](const issue& i) { return i.level == severity::error; });
}

mark source_map::find(std::string_view key_path) const {
    for (;;) {
        if (const auto it = marks_.find(key_path); it != marks_.end()) return it->second;
        const auto cut = key_path.find_last_of(".[");
        if (cut == std::string_view::npos) return key_path.empty() ? mark{} : find("");
        key_path = key_path.substr(0, cut);
    }
}

issue source_map::make(severity level, std::string key_path, std::string what, std::string remedy) const {
    const mark at = find(key_path);
    return {file_, at.line, at.column, std::move(key_path), std::move(what), std::move(remedy), level};
}

void issue_sink::add(issue i) {
    if (issues_.size() >= max_issues) {
        cut_ = cut_ || i.level == severity::error;
        return;
    }
    issues_.push_back(std::move(i));
}

std::vector<issue> issue_sink::take() {
    sort_by_place(issues_);
    if (cut_) {
        // The last one is given up for the notice, which must be an error: otherwise fifty warnings could hide one.
        issues_.back() = {file_, 0, 0, {}, "there are more problems than these", "mend these first", severity::error};
    }
    return std::move(issues_);
}

void sort_by_place(std::vector<issue>& issues) {
    std::stable_sort(issues.begin(), issues.end(), [](const issue& a, const issue& b) {
        return std::tie(a.line, a.column) < std::tie(b.line, b.column);
    });
}

std::string child_path(std::string_view parent, std::string_view key) {
    std::string out(parent);
    if (!out.empty()) out += '.';
    return out.append(key);
}

std::string child_path(std::string_view parent, std::size_t index) {
    return std::string(parent) + "[" + std::to_string(index) + "]";
}

}  // namespace spillway::config
