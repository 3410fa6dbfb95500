#include "memory_store.hpp"

namespace spillway::quota {

std::shared_ptr<holder> memory_store::get(const std::string& name, const config::quota& limits) {
    const std::scoped_lock hold(mutex_);
    auto& known = by_name_[name];
    if (!known) known = std::make_shared<memory_holder>(name, burst_, seeds_);
    known->change(limits);
    return known;
}

void memory_store::seed(const std::string& holder_name, const std::string& period_key, std::int64_t tokens,
                        std::int64_t money_nanos) {
    seeds_->put(holder_name, period_key, {tokens, money_nanos});
}

bool memory_store::reset(const std::string& holder_name) {
    const std::scoped_lock hold(mutex_);
    const auto at = by_name_.find(holder_name);
    if (at == by_name_.end() || at->second.use_count() == 1) return false;
    at->second->reset();
    return true;
}

store::report memory_store::look() const {
    report r;
    r.kind = "memory";
    return r;
}

std::vector<holder::state> memory_store::holders(time_point now, wall_time wall) const {
    const std::scoped_lock hold(mutex_);
    std::vector<holder::state> out;
    for (const auto& [name, known] : by_name_) {
        if (known.use_count() > 1) out.push_back(known->look(now, wall));
    }
    return out;
}

}  // namespace spillway::quota
