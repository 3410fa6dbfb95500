#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include <spillway/base/time.hpp>
#include <spillway/config/usage.hpp>

// Whether a pool has to refuse the less important so that others still get through. Pure.
namespace spillway::core {

struct backend_capacity {
    bool usable{true};  // its breaker lets requests through
    double weight{1};
    std::optional<std::int64_t> limit_tokens;  // by configuration or x-ratelimit-limit-tokens
    std::optional<std::int64_t> left_tokens;   // x-ratelimit-remaining-tokens as last told
    time_point told{};                         // when
};

// What Azure tells is about a minute. An older reading says nothing any more.
constexpr duration reading_lasts = seconds(60);

// The part of a backend's capacity that is left: 0 while it may not be asked; what it last told, recovering evenly
// until the reading is too old; all of it when nothing is known.
double left_of(const backend_capacity& b, time_point now) noexcept;

// The part of a pool's capacity that is left, 0 to 1. A backend counts by its limit of tokens; one whose limit is not
// known as if it had the same for its weight as the others, or by weight alone when none is known. A pool without
// capacity has nothing left.
double capacity_share(std::span<const backend_capacity> backends, time_point now) noexcept;

// Whether a request of that class is refused. High priority never is.
bool shed(config::priority_class who, double share, const config::shed& below) noexcept;

}  // namespace spillway::core
