#pragma once

#include <vector>

#include <spillway/core/exchange.hpp>

namespace spillway::core {

// A pool whose backends are as a test wants them.
class fake_pool final : public pool_view {
public:
    explicit fake_pool(std::size_t n) : backends(n) {}

    struct state {
        availability now;
        std::uint32_t outstanding{0};
        double latency{0};
        bool renewable{false};
        bool claim_succeeds{true};
        int claims{0};
        std::optional<std::size_t> instance;  // unset: one of its own
    };
    std::vector<state> backends;

    void close(std::size_t i, breaker_mode why, time_point until, time_point last_resort = time_point::max()) {
        backends[i].now = {why, false, false, until, last_resort};
    }

    availability look(std::size_t i, time_point) const override { return backends[i].now; }
    std::uint32_t outstanding(std::size_t i) const override { return backends[i].outstanding; }
    double latency(std::size_t i, time_point) const override { return backends[i].latency; }
    core::claim claim(std::size_t i, time_point now, bool) override {
        ++backends[i].claims;
        if (!backends[i].claim_succeeds) backends[i].now = {breaker_mode::half_open, false, false, now};
        return {backends[i].claim_succeeds, backends[i].claim_succeeds, false};
    }
    std::size_t instance_of(std::size_t i) const override { return backends[i].instance.value_or(i); }
    bool can_renew(std::size_t i) const override { return backends[i].renewable; }
};

}  // namespace spillway::core
