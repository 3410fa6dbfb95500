#include <spillway/core/balancer.hpp>

namespace spillway::core {

// Smooth weighted round robin: each candidate gains its weight, the richest is picked and pays for all. Picks of a
// heavy backend are spread between those of light ones.
std::size_t round_robin(const pick_from& from) {
    const auto candidates = from.candidates;
    std::int64_t sum = 0;
    std::size_t best = 0;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        auto& mine = from.state.current[candidates[i].backend];
        mine += candidates[i].weight;
        sum += candidates[i].weight;
        if (mine > from.state.current[candidates[best].backend]) best = i;
    }
    from.state.current[candidates[best].backend] -= sum;
    return best;
}

}  // namespace spillway::core
