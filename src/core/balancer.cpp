#include <spillway/core/balancer.hpp>

#include <array>

namespace spillway::core {
namespace {

struct named_balancer {
    std::string_view name;
    balancer pick;
};

// A new algorithm is one file and one line here.
constexpr std::array balancers{
    named_balancer{"weighted_random", &weighted_random},
    named_balancer{"round_robin", &round_robin},
    named_balancer{"least_outstanding", &least_outstanding},
    named_balancer{"peak_ewma", &peak_ewma},
};

constexpr auto all_balancer_names = [] {
    std::array<std::string_view, balancers.size()> out{};
    for (std::size_t i = 0; i < balancers.size(); ++i) out[i] = balancers[i].name;
    return out;
}();

}  // namespace

balancer find_balancer(std::string_view name) noexcept {
    for (const auto& b : balancers)
        if (b.name == name) return b.pick;
    return nullptr;
}

std::span<const std::string_view> balancer_names() noexcept { return all_balancer_names; }

}  // namespace spillway::core
