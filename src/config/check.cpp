#include <algorithm>
#include <stdexcept>

#include <spillway/config/validate.hpp>

#include "issue_sink.hpp"

namespace spillway::config {
namespace {

check_result check(loaded from, const known_names& names) {
    auto issues = std::move(from.issues);
    const auto unread = issues.size();
    for (auto& found : validate(from.tree, names)) {
        // What could not be read has a hole in the tree; that is told once.
        const bool told = std::any_of(
            issues.begin(), issues.begin() + static_cast<std::ptrdiff_t>(unread),
            [&](const issue& i) { return i.level == severity::error && found.key_path.starts_with(i.key_path); });
        if (!told) issues.push_back(std::move(found));
    }
    sort_by_place(issues);
    if (has_errors(issues)) return issues;
    return checked{std::move(from.tree), std::move(issues), std::move(from.hash)};
}

}  // namespace

check_result check_file(const std::string& path, const known_names& names, const environment& env) {
    return check(load_file(path, env), names);
}

check_result check_text(std::string_view text, std::string_view file_name, const known_names& names,
                        const environment& env) {
    return check(load_text(text, file_name, env), names);
}

void throw_exception_from_error(const std::vector<issue>& issues, const boost::source_location&) {
    throw std::runtime_error(issues.empty() ? "unchecked configuration" : format(issues.front()));
}

}  // namespace spillway::config
