#include <spillway/core/balancer.hpp>

namespace spillway::core {

std::size_t weighted_random(const pick_from& from) {
    const auto candidates = from.candidates;
    std::uint32_t sum = 0;
    for (const auto& c : candidates) sum += c.weight;
    std::uint32_t at = from.random.below(sum);
    for (std::size_t i = 0; i + 1 < candidates.size(); ++i) {
        if (at < candidates[i].weight) return i;
        at -= candidates[i].weight;
    }
    return candidates.size() - 1;
}

}  // namespace spillway::core
