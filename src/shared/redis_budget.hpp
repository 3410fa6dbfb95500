#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "budget_book.hpp"
#include "redis_link.hpp"

namespace spillway::shared {

// What a gateway knows about the budgets in Redis; for the store's thread alone.
//
// Each process publishes its own sums under its own name; sums only grow, so of two values the larger one is the
// truth. Therefore a Redis that has lost its memory is healed by anybody who remembers: names of processes that are
// gone are kept here and told again.
class redis_budget {
public:
    struct page {
        std::int64_t number{-1};
        std::string key;
        wall_time end{};
        struct sums {
            std::int64_t tokens{0}, money{0};
        };
        std::map<std::string, sums> known;  // of others
        std::array<std::int64_t, 4> told{};
        bool retell{false};
        time_point heard{};
    };

    // The page of a cell; forgets pages whose cell has a new period.
    page& of(budget_book::cell& c, std::size_t slot, config::period per);
    // Spent and reserved by this process.
    static std::array<std::int64_t, 4> own(const budget_book::cell& c) noexcept;
    // Fields of the budget in an answer, from `from` on.
    static void learn(page& p, budget_book::cell& c, const std::string& me, const redis_answer& a, std::size_t from);
    void forget_told() noexcept;

private:
    std::array<page, 4> pages_;
};

}  // namespace spillway::shared
