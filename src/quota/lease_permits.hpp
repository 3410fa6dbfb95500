#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "relaxed.hpp"

namespace spillway::quota {

// Requests under way here, and the permits for them that Redis has given to this gateway: one word, so that a permit
// that is on its way back cannot be used at the same moment.
class lease_permits {
public:
    std::int64_t used() const noexcept { return used_of(word_.load(relaxed)); }
    std::int64_t held() const noexcept { return held_of(word_.load(relaxed)); }

    bool take() noexcept {
        auto before = word_.load(relaxed);
        do {
            if (used_of(before) >= held_of(before)) return false;
        } while (!word_.compare_exchange_weak(before, before + 1, relaxed));
        return true;
    }
    // Without Redis, up to a limit of this gateway's own.
    bool take_up_to(std::int64_t limit) noexcept {
        auto before = word_.load(relaxed);
        do {
            if (used_of(before) >= limit) return false;
        } while (!word_.compare_exchange_weak(before, before + 1, relaxed));
        return true;
    }
    void count() noexcept { word_.fetch_add(1, relaxed); }
    void give_back() noexcept { word_.fetch_sub(1, relaxed); }

    // Gives up unused permits; what is held afterwards.
    std::int64_t shrink(std::int64_t wanted) noexcept {
        auto before = word_.load(relaxed);
        std::int64_t held = 0;
        do {
            held = std::min(held_of(before), std::max(wanted, used_of(before)));
        } while (!word_.compare_exchange_weak(before, pack(held, used_of(before)), relaxed));
        return held;
    }
    // Redis has given this many. With `taking` one of them goes to a request at the same moment.
    bool granted(std::int64_t held, bool taking) noexcept {
        auto before = word_.load(relaxed);
        bool fits = false;
        do {
            fits = taking && used_of(before) < held;
        } while (!word_.compare_exchange_weak(before, pack(held, used_of(before) + (fits ? 1 : 0)), relaxed));
        return fits || !taking;
    }

private:
    static constexpr std::int64_t used_of(std::uint64_t w) noexcept {
        return static_cast<std::int64_t>(w & 0xffffffffU);
    }
    static constexpr std::int64_t held_of(std::uint64_t w) noexcept { return static_cast<std::int64_t>(w >> 32); }
    static constexpr std::uint64_t pack(std::int64_t held, std::int64_t used) noexcept {
        const auto most = std::clamp<std::int64_t>(held, 0, 0x7fffffff);
        return (static_cast<std::uint64_t>(most) << 32) | static_cast<std::uint64_t>(used);
    }

    std::atomic<std::uint64_t> word_{0};
};

}  // namespace spillway::quota
