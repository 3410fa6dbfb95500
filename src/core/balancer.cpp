#include <spillway/core/balancer.hpp>

#include <array>
#include <iterator>

#include <spillway/base/text.hpp>

namespace spillway::core {

#define SPILLWAY_BALANCER(name) std::size_t name(const pick_from& from);
#include "balancers.inc"
#undef SPILLWAY_BALANCER

namespace {

struct named_balancer {
    std::string_view name;
    balancer pick;
};

constexpr named_balancer balancers[] = {
#define SPILLWAY_BALANCER(name) {#name, &name},
#include "balancers.inc"
#undef SPILLWAY_BALANCER
};

constexpr auto all_balancer_names = [] {
    std::array<std::string_view, std::size(balancers)> out{};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = balancers[i].name;
    return out;
}();

}  // namespace

std::uint64_t affinity_of(std::uint32_t client, std::string_view user) noexcept {
    return text::mix(text::hash(user) * 31 + client);
}

balancer find_balancer(std::string_view name) noexcept {
    for (const auto& b : balancers)
        if (b.name == name) return b.pick;
    return nullptr;
}

std::span<const std::string_view> balancer_names() noexcept { return all_balancer_names; }

}  // namespace spillway::core
