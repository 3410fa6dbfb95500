#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "budget_book.hpp"
#include "redis_link.hpp"

namespace spillway::shared {

// What a gateway knows about the budgets in Redis; for the store's thread alone.
//
// Each process publishes its own sums under its own name; sums only grow, so of two values the larger one is the
// truth. Therefore a Redis that has lost its memory is healed by anybody who remembers: names of processes that are
// gone are kept here and told again.
//
// What a gateway spent before Redis counted, or what nobody remembers but its ledger, is in no process's sum. Then
// its processes also publish, under the gateway's own name, all that it has spent as far as they know: of the gateway
// counts whichever is larger, this total or the sum of its processes.
class redis_budget {
public:
    struct page {
        std::int64_t number{-1};
        std::string key;
        wall_time end{};
        struct sums {
            std::int64_t tokens{0}, money{0};
            bool operator==(const sums&) const = default;
            void add(const sums& more) noexcept {
                tokens = add_sat(tokens, more.tokens);
                money = add_sat(money, more.money);
            }
        };
        std::map<std::string, sums> known;  // of others, and totals
        std::array<std::int64_t, 4> told{};
        sums told_total;
        sums before;   // of this gateway's other processes
        sums earlier;  // of this gateway, as Redis had it when it was first heard of
        bool heard{false};
        bool retell{false};
    };

    // The page of a cell; forgets pages whose cell has a new period.
    page& of(budget_book::cell& c, std::size_t slot, config::period per);
    // Spent and reserved by this process.
    static std::array<std::int64_t, 4> own(const budget_book::cell& c) noexcept;
    // Name of the total of the gateway that a process belongs to.
    static std::string_view gateway_of(std::string_view process) noexcept;
    // What has to be published of all that this gateway has spent; zero: the sums of its processes say it.
    static page::sums total(const page& p, const budget_book::cell& c) noexcept;
    // Whether there is something to tell.
    static bool differs(const page& p, const budget_book::cell& c) noexcept;
    // Fields of the budget in an answer, from `from` on.
    static void learn(page& p, budget_book::cell& c, const std::string& me, const redis_answer& a, std::size_t from);
    void forget_told() noexcept;

private:
    std::array<page, 4> pages_;
};

}  // namespace spillway::shared
