#pragma once

#include <spillway/core/selector.hpp>
#include <spillway/proxy/snapshot.hpp>

namespace spillway::proxy {

// The backends of a pool as they are at this moment, over all workers: what the core's decisions look at.
class live_pool final : public core::pool_view {
public:
    // `own_credential`: requests go out with the gateway's credential, not with the client's token.
    live_pool(const snapshot& all, const pool& of, bool own_credential)
        : all_(all), pool_(of), own_credential_(own_credential) {}

    core::availability look(std::size_t i, time_point now) const override {
        const backend& b = pool_.backends[i];
        const auto& state = *b.state;
        if (b.max_outstanding != 0 && state.outstanding.load(std::memory_order_relaxed) >= b.max_outstanding)
            return {core::breaker_mode::busy, false, false, now + seconds(1)};
        // An instance whose first token is on its way is worth a wait; one whose token could not be had is not.
        const auto& token = all_.instances[b.instance].token;
        if (own_credential_ && token && !token->usable(now) && !token->starting())
            return {core::breaker_mode::misconfigured, false, false, now + seconds(1)};
        return core::both(state.breaker.view(now), instance_state(b).view(now));
    }
    std::uint32_t outstanding(std::size_t i) const override {
        return pool_.backends[i].state->outstanding.load(std::memory_order_relaxed);
    }
    double latency(std::size_t i, time_point now) const override { return pool_.backends[i].state->latency(now); }

    // Takes the trial of the backend, of its instance, or of both, whichever is half-open.
    bool claim(std::size_t i, time_point now) override {
        const backend& b = pool_.backends[i];
        const auto take = [now](breaker_state& s, bool& claimed) {
            claimed = s.view(now).trial;
            return !claimed || s.change([now](core::breaker& x) { return x.claim_trial(now); });
        };
        claimed_backend = claimed_instance = false;
        if (!take(b.state->breaker, claimed_backend)) {
            claimed_backend = false;
            return false;
        }
        if (take(instance_state(b), claimed_instance)) return true;
        if (claimed_backend) b.state->breaker.change([](core::breaker& x) { x.abandon_trial(); });
        claimed_backend = claimed_instance = false;
        return false;
    }
    // API keys come from the configuration; asking again brings the same one.
    bool can_renew(std::size_t i) const override {
        return all_.instances[pool_.backends[i].instance].token != nullptr;
    }

    bool claimed_backend{false}, claimed_instance{false};  // by the last claim()

private:
    breaker_state& instance_state(const backend& b) const { return *all_.instances[b.instance].state; }

    const snapshot& all_;
    const pool& pool_;
    bool own_credential_;
};

}  // namespace spillway::proxy
