#pragma once

#include <cstdint>

#include <spillway/config/usage.hpp>
#include <spillway/core/usage_record.hpp>

namespace spillway::core {

// What these tokens cost in nanounits, rounded half up once at the end; what is beyond 2^63 stays there. Cached and
// audio parts have their own price where the list has one.
std::int64_t price_of(const token_counts& t, const config::price& p) noexcept;

}  // namespace spillway::core
