#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <spillway/base/random.hpp>

namespace spillway::core {

// A backend that may be picked now.
struct candidate {
    std::size_t backend{0};   // index in the pool
    std::uint32_t weight{1};  // at least 1
    std::uint32_t outstanding{0};
    double latency{0};  // seconds to the first byte, decayed peak; 0: not known
};

// What an algorithm remembers between picks; one for each pool and worker.
struct balancer_state {
    std::vector<std::int64_t> current;  // by backend
};

// What an algorithm picks by.
struct pick_from {
    std::span<const candidate> candidates;  // at least one
    balancer_state& state;
    random_source& random;
    // The same for requests that belong together, for algorithms that hash; spread over all bits.
    std::uint64_t affinity{0};
};

// Returns the place of its pick among the candidates. Algorithms are listed in src/core/balancers.inc.
using balancer = std::size_t (*)(const pick_from& from);

std::size_t weighted_random(const pick_from& from);  // unless the configuration names another

// The affinity of requests of one client, and among them of one user.
std::uint64_t affinity_of(std::uint32_t client, std::string_view user) noexcept;

// Null when there is none of that name.
balancer find_balancer(std::string_view name) noexcept;
std::span<const std::string_view> balancer_names() noexcept;

// Above this many candidates two random ones are compared instead of all.
inline constexpr std::size_t compare_all_up_to = 16;

// The place of the candidate with the lowest cost: of all when they are few, of two random ones when they are many.
template <class Cost>
std::size_t cheapest(std::span<const candidate> candidates, random_source& random, Cost cost) {
    const auto n = static_cast<std::uint32_t>(candidates.size());
    if (n > compare_all_up_to) {
        const std::size_t a = random.below(n), other = random.below(n - 1);
        const std::size_t b = other >= a ? other + 1 : other;
        return cost(candidates[b]) < cost(candidates[a]) ? b : a;
    }
    // Starts anywhere, so that equal ones share.
    const std::size_t start = random.below(n);
    std::size_t best = start;
    double least = cost(candidates[start]);
    for (std::size_t k = 1; k < n; ++k) {
        const std::size_t i = (start + k) % n;
        if (const double c = cost(candidates[i]); c < least) {
            least = c;
            best = i;
        }
    }
    return best;
}

}  // namespace spillway::core
