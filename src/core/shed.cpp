#include <spillway/core/shed.hpp>

#include <algorithm>

namespace spillway::core {
namespace {

double limit_of(const backend_capacity& b) noexcept {
    return b.limit_tokens && *b.limit_tokens > 0 ? static_cast<double>(*b.limit_tokens) : 0;
}

}  // namespace

double left_of(const backend_capacity& b, time_point now) noexcept {
    if (!b.usable) return 0;
    if (!b.left_tokens) return 1;
    const double limit = limit_of(b);
    if (limit == 0 && *b.left_tokens > 0) return 1;
    const double age =
        std::clamp(seconds_between(b.told, now) / std::chrono::duration<double>(reading_lasts).count(), 0.0, 1.0);
    const double told = limit == 0 ? 0 : std::clamp(static_cast<double>(*b.left_tokens) / limit, 0.0, 1.0);
    return told + (1 - told) * age;
}

double capacity_share(std::span<const backend_capacity> backends, time_point now) noexcept {
    double known = 0;
    double known_weight = 0;
    for (const auto& b : backends) {
        if (b.weight <= 0 || limit_of(b) == 0) continue;
        known += limit_of(b);
        known_weight += b.weight;
    }
    const double for_weight = known > 0 ? known / known_weight : 1;
    double all = 0;
    double left = 0;
    for (const auto& b : backends) {
        if (b.weight <= 0) continue;
        const double size = limit_of(b) > 0 ? limit_of(b) : b.weight * for_weight;
        all += size;
        left += size * left_of(b, now);
    }
    return all > 0 ? std::clamp(left / all, 0.0, 1.0) : 0;
}

bool shed(config::priority_class who, double share, const config::shed& below) noexcept {
    switch (who) {
        case config::priority_class::low: return share < below.low;
        case config::priority_class::normal: return share < below.normal;
        case config::priority_class::high: break;
    }
    return false;
}

}  // namespace spillway::core
