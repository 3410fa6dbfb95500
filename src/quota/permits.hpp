#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>

#include "relaxed.hpp"

namespace spillway::quota {

// Requests under way at the same time. Counted also without a limit, so that one that comes with a reload is right
// from its first moment.
class permits {
public:
    static constexpr std::int64_t none = std::numeric_limits<std::int64_t>::max();

    void change(std::optional<std::int64_t> limit) noexcept { limit_.store(limit.value_or(none), relaxed); }
    std::optional<std::int64_t> limit() const noexcept {
        const auto limit = limit_.load(relaxed);
        if (limit == none) return std::nullopt;
        return limit;
    }
    std::int64_t taken() const noexcept { return taken_.load(relaxed); }
    bool any_left() const noexcept { return taken() < limit_.load(relaxed); }

    bool take() noexcept {
        auto before = taken_.load(relaxed);
        do {
            if (before >= limit_.load(relaxed)) return false;
        } while (!taken_.compare_exchange_weak(before, before + 1, relaxed));
        return true;
    }
    void give_back() noexcept { taken_.fetch_sub(1, relaxed); }

private:
    std::atomic<std::int64_t> limit_{none};
    std::atomic<std::int64_t> taken_{0};
};

}  // namespace spillway::quota
