#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <spillway/base/saturating.hpp>
#include <spillway/core/quota.hpp>

#include "redis_link.hpp"

namespace spillway::quota {

// More than this is never spent in a period: tokens, and money in nanounits.
inline constexpr std::int64_t most_tokens = std::int64_t{1} << 50, most_money = std::int64_t{1} << 62;

// Tokens and money of a budget.
struct budget_sums {
    std::int64_t tokens{0}, money{0};
    bool operator==(const budget_sums&) const = default;
    void add(const budget_sums& more) noexcept {
        tokens = add_sat(tokens, more.tokens);
        money = add_sat(money, more.money);
    }
};

// What an answer of the script can say at most, by what it was asked.
struct told_bounds {
    struct rate {
        std::int64_t want{0}, burst{0}, most_debt{0};
    };
    std::array<rate, 2> rates;
    std::int64_t permits{0};
};

// An answer of the script, bounded: a number that cannot be is the nearest one that can.
struct redis_told {
    struct rate {
        std::int64_t more{0}, left{0};
        duration wait{};
    };
    struct gateway {
        std::string name;  // ends with a dot
        budget_sums spent;
    };
    core::quota_limit why{core::quota_limit::none};
    std::int64_t permits{0};
    std::array<rate, 2> rates;  // requests, tokens
    std::int64_t born{0}, generation{0};
    // Of the budget; nothing where none was asked for.
    bool budget{false};
    budget_sums reserved;       // by other processes
    budget_sums before, total;  // of this gateway: the sum of its other processes, and what it told as a whole
    budget_sums rest;           // of gateways that are not named
    std::vector<gateway> gateways;
};

// Nothing: it is no answer of this script.
std::optional<redis_told> read_told(const redis_answer& a, const told_bounds& most);

}  // namespace spillway::quota
