#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>

#include <spillway/core/gcra.hpp>

#include "relaxed.hpp"

namespace spillway::quota {

// A bucket that all cores take from: one word, changed by compare-and-swap. When its rate changes it stays as full,
// in parts of the whole, as it was.
class bucket {
public:
    explicit bucket(duration burst) noexcept : burst_(burst) {}

    void change(std::optional<std::uint64_t> per_minute) noexcept {
        constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
        rate_.store(per_minute ? static_cast<std::int64_t>(*per_minute < most ? *per_minute : most) : none, relaxed);
    }
    std::optional<std::int64_t> limit() const noexcept {
        const auto rate = rate_.load(relaxed);
        if (rate == none) return std::nullopt;
        return rate;
    }

    struct attempt {
        std::int64_t rate{none};
        core::gcra::state before{0};
        core::gcra::outcome out{true};
    };
    // Whether it would be granted; takes nothing.
    attempt look_ahead(std::int64_t units, time_point now) const noexcept {
        attempt a{rate_.load(relaxed), 0, {true}};
        if (a.rate == none) return a;
        a.before = state_.load(relaxed);
        a.out = core::gcra(a.rate, burst_).take(a.before, units, now);
        return a;
    }
    // Takes what was looked at, if it is still there.
    bool take(attempt& a, std::int64_t units, time_point now) noexcept {
        if (a.rate == none) return true;
        while (a.out.granted && !state_.compare_exchange_weak(a.before, a.out.after, relaxed))
            a.out = core::gcra(a.rate, burst_).take(a.before, units, now);
        return a.out.granted;
    }
    void settle(std::int64_t reserved, std::int64_t real, time_point now) noexcept {
        const auto rate = rate_.load(relaxed);
        if (rate == none || reserved == real) return;
        const core::gcra g(rate, burst_);
        auto before = state_.load(relaxed);
        while (!state_.compare_exchange_weak(before, g.settle(before, reserved, real, now), relaxed)) {
        }
    }

    // Whatever it was: this is what is left in it.
    void set_left(std::int64_t left, time_point now) noexcept {
        const auto rate = rate_.load(relaxed);
        if (rate == none) return;
        const core::gcra g(rate, burst_);
        state_.store(g.settle(core::gcra::full, 0, used(g, left), now), relaxed);
    }
    void fill() noexcept { state_.store(core::gcra::full, relaxed); }
    // Taken and not yet flowed back.
    std::int64_t used(time_point now) const noexcept {
        const auto rate = rate_.load(relaxed);
        if (rate == none) return 0;
        return core::gcra(rate, burst_).used(state_.load(relaxed), now);
    }

    std::optional<std::int64_t> left(time_point now) const noexcept {
        const auto rate = rate_.load(relaxed);
        if (rate == none) return std::nullopt;
        return core::gcra(rate, burst_).left(state_.load(relaxed), now);
    }
    std::optional<duration> until_full(time_point now) const noexcept {
        const auto rate = rate_.load(relaxed);
        if (rate == none) return std::nullopt;
        return core::gcra(rate, burst_).until_full(state_.load(relaxed), now);
    }

private:
    static constexpr std::int64_t none = -1;

    static std::int64_t used(const core::gcra& g, std::int64_t left) noexcept {
        return g.capacity() > left ? g.capacity() - left : 0;
    }

    const duration burst_;
    std::atomic<std::int64_t> rate_{none};
    std::atomic<core::gcra::state> state_{core::gcra::full};
};

}  // namespace spillway::quota
