#include <spillway/core/balancer.hpp>

namespace spillway::core {

// Fewest requests in flight for its weight.
std::size_t least_outstanding(std::span<const candidate> candidates, balancer_state&, random_source& random) {
    return cheapest(candidates, random, [](const candidate& c) { return (c.outstanding + 1.0) / c.weight; });
}

}  // namespace spillway::core
