#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>

#include <spillway/base/saturating.hpp>

#include "bucket.hpp"
#include "relaxed.hpp"

namespace spillway::quota {

// A gateway's part of a bucket that several share. Units of the lease were taken from Redis before; serving a request
// from it is one compare-and-swap. A negative lease is a debt that Redis has yet to hear of.
class lease_bucket {
public:
    explicit lease_bucket(duration burst) noexcept : view_(burst), share_(burst), before_(burst) {}

    void change(std::optional<std::uint64_t> per_minute, std::uint32_t gateways) noexcept {
        if (const auto before = view_.limit()) rate_ = *before;
        view_.change(per_minute);
        if (const auto now = view_.limit(); now && rate_ > 0) scale(rate_, *now);
        if (per_minute) per_minute = std::max<std::uint64_t>(1, *per_minute / gateways);
        share_.change(per_minute);
        before_.change(per_minute);
    }
    bool limited() const noexcept { return view_.limit().has_value(); }
    std::optional<std::int64_t> limit() const noexcept { return view_.limit(); }
    std::int64_t lease() const noexcept { return lease_.load(relaxed); }

    bool suffices(std::int64_t units) const noexcept { return !limited() || lease() >= units; }
    bool take(std::int64_t units) noexcept {
        if (!limited()) return true;
        auto before = lease_.load(relaxed);
        do {
            if (before < units) return false;
        } while (!lease_.compare_exchange_weak(before, before - units, relaxed));
        add_sat(used_, units);
        return true;
    }
    void put(std::int64_t units) noexcept {
        if (limited()) add_sat(lease_, units);
    }
    // Part of the lease on its way back to Redis.
    bool withdraw(std::int64_t units) noexcept {
        auto before = lease_.load(relaxed);
        do {
            if (before < units) return false;
        } while (!lease_.compare_exchange_weak(before, before - units, relaxed));
        return true;
    }
    // Takes all of it out, also a debt.
    std::int64_t empty() noexcept { return lease_.exchange(0, relaxed); }
    // A debt, taken out; 0: there is none.
    std::int64_t take_debt() noexcept {
        auto before = lease_.load(relaxed);
        while (before < 0 && !lease_.compare_exchange_weak(before, 0, relaxed)) {
        }
        return std::min<std::int64_t>(before, 0);
    }
    void count(std::int64_t units) noexcept { add_sat(used_, units); }
    std::int64_t counted() noexcept { return used_.exchange(0, relaxed); }

    // What lies in Redis, as told last and flowed back since.
    bucket& view() noexcept { return view_; }
    const bucket& view() const noexcept { return view_; }
    // What decides while Redis is away: the bucket divided by the gateways.
    bucket& share() noexcept { return share_; }

    std::optional<std::int64_t> left(time_point now) const noexcept {
        const auto there = view_.left(now);
        if (!there) return there;
        return std::max<std::int64_t>(0, add_sat(*there, lease()));
    }

    void went_down(std::uint32_t gateways, time_point now) noexcept {
        auto before = lease_.load(relaxed);
        while (before > 0 && !lease_.compare_exchange_weak(before, 0, relaxed)) {
        }
        const auto left = view_.left(now);
        if (!left) return;
        share_.set_left(*left / gateways, now);
        before_.set_left(*left / gateways, now);
    }
    // What was used up meanwhile is as if it had been taken from Redis.
    void came_up(time_point now) noexcept {
        if (limited()) add_sat(lease_, -std::max<std::int64_t>(0, sub_sat(share_.used(now), before_.used(now))));
    }
    // As if nothing had ever been taken.
    void reset() noexcept {
        for (auto* b : {&view_, &share_, &before_}) b->fill();
        take_debt();
    }

private:
    // The shared bucket stays as full as it was in parts of the whole when its rate changes; so does what was taken
    // out of it.
    void scale(std::int64_t from, std::int64_t to) noexcept {
        if (from == to) return;
        auto before = lease_.load(relaxed);
        const auto scaled = [&] {
            const auto exact = static_cast<double>(before) * static_cast<double>(to) / static_cast<double>(from);
            return static_cast<std::int64_t>(std::clamp(exact, -0x1p60, 0x1p60));
        };
        while (!lease_.compare_exchange_weak(before, scaled(), relaxed)) {
        }
        rate_ = to;
    }

    bucket view_, share_;
    bucket before_;  // what of the share had been used when Redis went away
    std::atomic<std::int64_t> lease_{0}, used_{0};
    std::int64_t rate_{0};  // that the lease was taken by; main thread
};

}  // namespace spillway::quota
