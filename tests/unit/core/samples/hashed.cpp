#include <cmath>

#include <spillway/base/text.hpp>
#include <spillway/core/balancer.hpp>

namespace spillway::core {

std::size_t hashed(const pick_from& from);

// Weighted rendezvous hashing: requests that belong together meet the same backend while it is usable, so that its
// prompt cache knows them. When a backend goes, its requests alone move, each to the next in its own order.
std::size_t hashed(const pick_from& from) {
    std::size_t best = 0;
    double highest = 0;
    for (std::size_t i = 0; i < from.candidates.size(); ++i) {
        const auto& c = from.candidates[i];
        const std::uint64_t h = text::mix(from.affinity ^ text::mix(c.backend + 1));
        const double chance = (static_cast<double>(h >> 11) + 0.5) * 0x1.0p-53;  // between 0 and 1
        const double score = c.weight / -std::log(chance);
        if (score > highest) {
            highest = score;
            best = i;
        }
    }
    return best;
}

}  // namespace spillway::core
