#pragma once

#include <algorithm>
#include <array>
#include <mutex>
#include <string>
#include <vector>

#include <spillway/base/time.hpp>

namespace spillway::proxy {

// The last answers that were no success, for people who look at the status page. Names and codes only.
class recent_errors {
public:
    static constexpr std::size_t most = 50;
    struct entry {
        wall_time at{};
        int status{0};
        std::string code, client, pool, backend, operation, request_id;
    };

    // Any worker. While another thread holds the lock the entry is dropped: the list is a sample.
    void add(entry&& e) {
        const std::unique_lock lock(mutex_, std::try_to_lock);
        if (!lock) return;
        all_[next_ % most] = std::move(e);
        ++next_;
    }
    // The newest first.
    std::vector<entry> list() const {
        const std::lock_guard lock(mutex_);
        std::vector<entry> out;
        for (std::size_t i = 0; i < std::min(next_, most); ++i) out.push_back(all_[(next_ - 1 - i) % most]);
        return out;
    }

private:
    mutable std::mutex mutex_;
    std::array<entry, most> all_;
    std::size_t next_{0};
};

}  // namespace spillway::proxy
