#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace spillway::quota {

// What was spent before a holder counted, the newest word holds. Asked when a holder opens a period, which is rare,
// so a lock will do.
class seed_book {
public:
    struct sums {
        std::int64_t tokens{0}, money_nanos{0};
    };
    void put(const std::string& holder, const std::string& period_key, sums s) {
        const std::scoped_lock hold(mutex_);
        known_[holder + '|' + period_key] = s;
    }
    sums find(const std::string& holder, const std::string& period_key) const {
        const std::scoped_lock hold(mutex_);
        const auto at = known_.find(holder + '|' + period_key);
        return at == known_.end() ? sums{} : at->second;
    }

private:
    mutable std::mutex mutex_;
    std::map<std::string, sums> known_;
};

}  // namespace spillway::quota
