#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/core/balancer.hpp>
#include <spillway/core/breaker.hpp>

namespace spillway::core {

// Backends that are equally welcome: one priority, or those of one priority and one region.
struct tier {
    struct member {
        std::size_t backend{0};
        std::uint32_t weight{1};
    };
    std::uint32_t priority{1};
    bool spillover{false};  // serves while no better tier is usable
    std::vector<member> members;
};

// A pool in the order in which its backends are asked.
struct pool_plan {
    std::vector<tier> tiers;
    balancer algorithm{&weighted_random};
    std::size_t backends{0};
};

struct plan_member {
    std::uint32_t priority{1}, weight{1};
    std::uint32_t distance{0};  // 0: the gateway's own region
};
// Backends with weight 0 are in no tier, nor are those outside of the own region with `region_only`: they get
// nothing.
pool_plan make_plan(std::span<const plan_member> members, config::preference prefer, balancer algorithm);
// Of a backend's region: 0 for the gateway's own, then the others in their order, then those that are not named.
std::uint32_t distance_of(std::string_view region, std::string_view own,
                          std::span<const std::string> others) noexcept;
// Whether a backend is in the plan at all. For people and probes: it walks the tiers.
bool asks(const pool_plan& plan, std::size_t backend) noexcept;
balancer_state make_balancer_state(const pool_plan& plan);

// What was reserved for a trial, if the backend's breakers wanted one.
struct claim {
    bool good{false};  // false: another exchange has it
    bool backend{false}, instance{false};
};

// What the rest of the world knows about the backends of a pool, at this moment.
class pool_view {
public:
    virtual ~pool_view() = default;
    virtual availability look(std::size_t backend, time_point now) const = 0;
    virtual std::uint32_t outstanding(std::size_t backend) const = 0;
    virtual double latency(std::size_t backend, time_point now) const = 0;
    // Reserves the trial that look() offered, or, as a last resort, one that it did not offer yet.
    virtual core::claim claim(std::size_t backend, time_point now, bool last_resort) = 0;
    // Whether the credential of the backend's instance can be renewed on the spot.
    virtual bool can_renew(std::size_t backend) const = 0;
    // Backends of one instance share its credential and its address.
    virtual std::size_t instance_of(std::size_t backend) const = 0;
    // The same for all gateways and after each reload.
    virtual std::uint64_t hash_of_instance(std::size_t backend) const { return instance_of(backend); }
};

// Backends that this exchange has tried: each gets one try.
class tried_set {
public:
    // Of pools beyond this size no more backends are asked in one exchange.
    static constexpr std::size_t capacity = 64;
    void add(std::size_t backend) noexcept {
        if (!contains(backend) && size_ < capacity) tried_[size_++] = static_cast<std::uint32_t>(backend);
    }
    bool contains(std::size_t backend) const noexcept {
        for (std::size_t i = 0; i < size_; ++i)
            if (tried_[i] == backend) return true;
        return false;
    }
    std::size_t size() const noexcept { return size_; }
    bool full() const noexcept { return size_ == capacity; }

private:
    std::array<std::uint32_t, capacity> tried_{};
    std::size_t size_{0};
};

struct selection {
    std::optional<std::size_t> backend;
    bool trial{false};  // claimed, and what of:
    claim claimed;
    bool spillover{false};    // of its tier
    bool last_resort{false};  // none is usable; this one recovers first
};

// Where the objects of a request are, or where those are to be that it makes.
struct placement {
    std::optional<std::size_t> instance;  // no other can serve the request
    std::uint64_t home{0};  // of a client: inside a tier, instances are ordered by it; 0: by the algorithm
};

// The first tier that has a usable backend; inside it by the pool's algorithm. When the whole pool is sick,
// the one that recovers first, as far as it may be tried again by now. `affinity`: for algorithms that hash.
selection select(const pool_plan& plan, const tried_set& tried, pool_view& view, balancer_state& state,
                 time_point now, random_source& random, std::uint64_t affinity = 0, const placement& where = {});

// Why no backend can serve: all are throttled, and when the first one is back.
struct exhaustion {
    bool all_throttled{true};
    std::optional<time_point> earliest;
};
exhaustion look_at_all(const pool_plan& plan, const pool_view& view, time_point now,
                       std::optional<std::size_t> instance = {});

}  // namespace spillway::core
