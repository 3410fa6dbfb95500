#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <spillway/core/quota.hpp>
#include <spillway/quota/holder.hpp>

#include "seed_book.hpp"

namespace spillway::quota {

// What a holder spends in its calendar periods. Any thread; a lock is taken only by the first request of a period.
//
// A request belongs to the period in which it began, whenever it ends: what it reserved there is settled there, and
// the sums of a period are those that a report by the time of arrival shows. The last few periods are kept for that.
//
// Limits come and go with reloads. A budget that is taken away is counted on without limits, so that one that comes
// back is right; without any before, or with another kind of period, it begins with its seed. Requests that are under
// way at that moment have reserved nothing there: they are known by having begun before the first that has.
class budget_book {
public:
    struct cell {
        std::atomic<std::int64_t> number{-1};
        // Committed is spent plus reserved by requests under way.
        std::atomic<std::int64_t> committed_tokens{0}, committed_money{0}, spent_tokens{0}, spent_money{0};
        // Committed by other gateways, as far as it is known here.
        std::atomic<std::int64_t> elsewhere_tokens{0}, elsewhere_money{0};
        // Committed here, as far as others can know.
        std::atomic<std::int64_t> published_tokens{0}, published_money{0};
        // Part of the sums that was spent before the process began, and a moment of the period.
        std::atomic<std::int64_t> seeded_tokens{0}, seeded_money{0};
        std::atomic<wall_time::rep> opened{0};
    };

    budget_book(std::string holder, std::shared_ptr<const seed_book> seeds);

    void change(const std::optional<config::budget>& limits) noexcept;
    std::optional<config::period> per() const noexcept;
    bool limited() const noexcept { return limit_tokens() || limit_money(); }
    std::optional<std::int64_t> limit_tokens() const noexcept { return known(limit_tokens_); }
    std::optional<std::int64_t> limit_money() const noexcept { return known(limit_money_); }

    // `none`: the estimate is reserved. Never lets spent and reserved together exceed a limit. `began` and `wall` are
    // the same moment by two clocks, here and below.
    core::quota_limit reserve(const amounts& estimate, time_point began, wall_time wall) noexcept;
    // Whether reserve() would refuse; reserves nothing.
    core::quota_limit look_ahead(const amounts& estimate, wall_time wall) noexcept;
    void settle(const amounts& estimate, const amounts& real, time_point began, wall_time wall) noexcept;
    void release(const amounts& estimate, time_point began, wall_time wall) noexcept;

    // Of the running period; nullptr: there was never a budget.
    cell* running(wall_time wall) noexcept;
    std::array<cell, 4>& cells() noexcept { return cells_; }

private:
    static constexpr std::int64_t none = std::numeric_limits<std::int64_t>::max();
    static std::optional<std::int64_t> known(const std::atomic<std::int64_t>& limit) noexcept;
    // Sums of a period whose cell another one has taken.
    struct closed {
        std::int64_t number{-1};
        amounts committed, spent, seeded;
    };
    void close(const cell& c) noexcept;
    closed known_of(std::int64_t number, wall_time wall, config::period p) const noexcept;
    static bool holds_later(const cell& c, std::int64_t number) noexcept;
    bool has_reserved(time_point began) const noexcept;
    void reserves(time_point began) noexcept;
    // Of the period that contains `wall`; nullptr: it is forgotten.
    cell* find(wall_time wall) noexcept;
    cell* open(cell& c, std::int64_t number, wall_time wall, config::period p) noexcept;

    const std::string holder_;
    const std::shared_ptr<const seed_book> seeds_;
    std::atomic<int> per_{-1};  // config::period; -1: there was never a budget
    // When the first request began that reserved in periods of this kind.
    std::atomic<time_point::rep> since_{std::numeric_limits<time_point::rep>::max()};
    std::atomic<std::int64_t> limit_tokens_{none}, limit_money_{none};
    std::mutex opening_;  // of closed_ too
    std::array<cell, 4> cells_;
    // A clock that jumps over years and comes back finds what was spent before.
    std::array<closed, 8> closed_;
    std::size_t next_closed_{0};
};

}  // namespace spillway::quota
