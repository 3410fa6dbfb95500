#include <spillway/stats/cells.hpp>

namespace spillway::stats {

label label_table::intern(std::string_view name) {
    const std::lock_guard lock(mutex_);
    const auto found = ids_.find(std::string(name));
    if (found != ids_.end()) return found->second;
    // A process that has seen 65,000 names in its reloads lumps the rest together rather than growing without end.
    if (names_.size() >= 65000) return 0;
    const auto id = static_cast<label>(names_.size());
    names_.emplace_back(name);
    ids_.emplace(names_.back(), id);
    return id;
}

std::string label_table::name(label id) const {
    const std::lock_guard lock(mutex_);
    return id < names_.size() ? names_[id] : std::string();
}

}  // namespace spillway::stats
