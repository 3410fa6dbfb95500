#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <spillway/net/loop.hpp>
#include <spillway/net/slab.hpp>

#include "fault_rule.hpp"
#include "identity_provider.hpp"
#include "instance.hpp"

namespace spillway::sim {

// What all connections of the process share. One thread, one loop, no locks.
struct simulation {
    simulation(net::loop& l, const options& o) : loop(l), faults(o.seed), deterministic(o.deterministic) {
        if (o.identity.enabled()) identity = std::make_unique<identity_provider>(o.identity);
        for (const auto& i : o.instances) instances.push_back(std::make_unique<instance>(i, identity.get()));
        for (const auto& f : o.faults) faults.add(f);
    }

    net::loop& loop;
    net::slab_pool slabs;
    std::unique_ptr<identity_provider> identity;  // null: the settings have none
    std::vector<std::unique_ptr<instance>> instances;
    fault_table faults;
    bool deterministic;
    std::deque<json> history;  // the last requests, oldest first

    // Gives the exchange its id and time, which follow from the request alone when answers have to be comparable.
    void name(exchange& x);
    void remember(const instance& at, const exchange& x);
    void clear_counters();
    json state() const;

private:
    std::uint64_t last_id_{0};
};

}  // namespace spillway::sim
