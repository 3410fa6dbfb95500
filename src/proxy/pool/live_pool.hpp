#pragma once

#include <spillway/base/text.hpp>
#include <spillway/core/selector.hpp>
#include <spillway/proxy/availability.hpp>

namespace spillway::proxy {

// The backends of a pool as they are at this moment, over all workers: what the core's decisions look at.
class live_pool final : public core::pool_view {
public:
    // `own_credential`: requests go out with the gateway's credential, not with the client's token.
    live_pool(const snapshot& all, const pool& of, bool own_credential)
        : all_(all), pool_(of), own_credential_(own_credential) {}

    core::availability look(std::size_t i, time_point now) const override {
        return availability_of(all_, pool_.backends[i], now, own_credential_);
    }
    std::uint32_t outstanding(std::size_t i) const override {
        return pool_.backends[i].state->outstanding.load(std::memory_order_relaxed);
    }
    double latency(std::size_t i, time_point now) const override { return pool_.backends[i].state->latency(now); }

    // Takes the trial of the backend, of its instance, or of both, whichever is not closed.
    core::claim claim(std::size_t i, time_point now, bool last_resort) override {
        const backend& b = pool_.backends[i];
        const auto take = [now, last_resort](breaker_state& s, bool& claimed) {
            const auto a = s.view(now);
            if (a.usable && !a.trial) return true;
            claimed = s.claim_trial(now, last_resort);
            return claimed;
        };
        core::claim out;
        if (!take(b.state->breaker, out.backend)) return out;
        out.good = take(instance_state(b), out.instance);
        if (out.good || !out.backend) return out;
        b.state->breaker.abandon_trial();
        return {};
    }
    // API keys come from the configuration; asking again brings the same one.
    bool can_renew(std::size_t i) const override {
        return all_.instances[pool_.backends[i].instance].token != nullptr;
    }
    std::size_t instance_of(std::size_t i) const override { return pool_.backends[i].instance; }
    std::uint64_t hash_of_instance(std::size_t i) const override {
        return text::hash(all_.instances[pool_.backends[i].instance].name);
    }

private:
    breaker_state& instance_state(const backend& b) const { return *all_.instances[b.instance].state; }

    const snapshot& all_;
    const pool& pool_;
    bool own_credential_;
};

}  // namespace spillway::proxy
