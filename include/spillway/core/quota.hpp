#pragma once

#include <cstdint>
#include <optional>

#include <spillway/base/time.hpp>
#include <spillway/config/usage.hpp>

// What a quota decides: pure, time is an argument. Where the counts live is `shared`.
namespace spillway::core {

// Why a request is refused, in the order in which they are looked at.
enum class quota_limit : std::uint8_t { none, concurrent, requests, tokens, budget_tokens, budget_money };

}  // namespace spillway::core
