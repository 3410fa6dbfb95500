#include <spillway/core/balancer.hpp>

namespace spillway::core {

// Fewest requests in flight for its weight.
std::size_t least_outstanding(const pick_from& from) {
    return cheapest(from.candidates, from.random,
                    [](const candidate& c) { return (c.outstanding + 1.0) / c.weight; });
}

}  // namespace spillway::core
