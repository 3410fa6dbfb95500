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
#include "usage_journal.hpp"

namespace spillway::sim {

// What all connections of the process share. One thread, one loop, no locks.
struct simulation {
    simulation(net::loop& l, const options& o)
        : loop(l), faults(o.seed), journal(o.usage_entries), deterministic(o.deterministic) {
        if (o.identity.enabled()) identity = std::make_unique<identity_provider>(o.identity);
        for (const auto& i : o.instances) instances.push_back(std::make_unique<instance>(i, identity.get()));
        for (const auto& f : o.faults) faults.add(f);
    }

    net::loop& loop;
    net::slab_pool slabs;
    std::unique_ptr<identity_provider> identity;  // null: the settings have none
    std::vector<std::unique_ptr<instance>> instances;
    fault_table faults;
    usage_journal journal;
    bool deterministic;
    struct remembered {
        const instance* at;
        std::shared_ptr<const recorded_request> what;
        json to_json() const;
    };
    std::deque<remembered> history;  // the last requests, oldest first

    // Gives the exchange its id and time, which follow from the request alone when answers have to be comparable.
    void name(exchange& x);
    void remember(const instance& at, const exchange& x);
    void clear_counters();
    json state() const;

private:
    std::uint64_t last_id_{0};
};

}  // namespace spillway::sim
