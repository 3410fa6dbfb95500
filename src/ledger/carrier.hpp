#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <spillway/base/time.hpp>
#include <spillway/config/usage.hpp>

#include "offering.hpp"
#include "spool.hpp"
#include "store.hpp"

namespace spillway::ledger {

using store_opener =
    std::function<result<std::unique_ptr<usage_store>>(const std::string& url, const std::string& password)>;

// Where records go, as configured.
struct destination {
    std::string url, password;
    config::usage_retention retention;
};

// Carries records from the spool into the store, again and again until the store has them. Belongs to one thread,
// which calls step() and gives the time; state() is for any thread.
class carrier {
public:
    carrier(spool& from, destination to, store_opener open, std::function<void(std::string)> alarm);

    // At most one batch, one step of compaction or one checkpoint. When to come again at the latest.
    duration step(time_point now, wall_time wall);
    // Settles and saves what was carried; before an end.
    void finish(wall_time wall);
    // Tries a store that is away at the next step, whatever the time.
    void hurry() noexcept { retry_at_ = {}; }
    bool away() const noexcept { return store_ == nullptr; }
    void go_to(destination to);

    struct state {
        bool up{false};
        std::string last_error;
        std::uint64_t written{0}, failures{0}, refused{0};  // refused: set aside by this process
        std::int64_t oldest_us{0};                          // 0: nothing waits
        set_aside aside;                                    // what lies in the folder
    };
    state now() const;

private:
    bool have_store(time_point now);
    void failed(const fault& f, time_point now);
    void came_back();
    std::optional<fault> write_all();
    std::optional<fault> put_aside();
    void note_aside(std::size_t more, const std::string& why);
    void tell_aside();
    void look_aside();
    bool carry(time_point now);
    void advance();
    void maintain(time_point now, wall_time wall, bool idle);
    void save(time_point now, wall_time wall);

    spool& spool_;
    destination to_;
    store_opener open_;
    std::function<void(std::string)> alarm_;
    std::unique_ptr<usage_store> store_;
    std::vector<core::usage_record> batch_;
    offering offering_;
    duration pause_;
    time_point retry_at_{}, save_at_{}, compact_at_{}, adopt_at_{}, tell_aside_at_{};
    std::uint64_t aside_untold_{0};
    std::string aside_reason_;
    bool outage_{false}, save_trouble_{false};
    mutable std::mutex mutex_;
    state state_;
};

}  // namespace spillway::ledger
