#include <algorithm>

#include <spillway/core/balancer.hpp>

namespace spillway::core {

// Expected wait: recent time to the first byte, times the requests that are ahead. A backend of which nothing is
// known counts as the fastest known one, so that it is tried but not flooded.
std::size_t peak_ewma(const pick_from& from) {
    double fastest = 0;
    for (const auto& c : from.candidates)
        if (c.latency > 0) fastest = fastest == 0 ? c.latency : std::min(fastest, c.latency);
    if (fastest == 0) fastest = 1;
    return cheapest(from.candidates, from.random, [fastest](const candidate& c) {
        return (c.latency > 0 ? c.latency : fastest) * (c.outstanding + 1.0) / c.weight;
    });
}

}  // namespace spillway::core
