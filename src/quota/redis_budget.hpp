#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "budget_book.hpp"
#include "redis_told.hpp"

namespace spillway::quota {

// What a gateway knows about the budgets in Redis; for the store's thread alone.
//
// Each process publishes its own sums under its own name; they only grow. Of other gateways it remembers what each
// has spent in all, and tells it again to a Redis that has lost its memory: as a total, of which the highest holds,
// so that it does not matter how many tell it. What it believes and remembers is bounded, see `believed` and
// `trusted`.
//
// What a gateway spent before Redis counted, or what only its ledger remembers, is in no process's sum. Then
// its processes also publish, under the gateway's own name, all that it has spent as far as they know: of the gateway
// counts whichever is larger, this total or the sum of its processes.
class redis_budget {
public:
    using sums = budget_sums;
    struct page {
        std::int64_t number{-1};
        std::string key;
        wall_time end{};
        std::map<std::string, sums> known;  // what other gateways have spent
        std::array<std::int64_t, 4> told{-1, -1, -1, -1};
        sums told_total;
        sums before;   // of this gateway's other processes, as Redis has it
        sums earlier;  // of this gateway's other processes, as far as it was ever heard
        bool heard{false};
        bool retell{false};
        // Of one gateway: a figure above `believed` cannot be and counts for nothing, one above `trusted` counts as
        // long as Redis says it, but is not told again.
        sums believed, trusted;
    };

    // The page of a cell; forgets pages whose cell has a new period.
    page& of(budget_book::cell& c, std::size_t slot, const budget_book& book);
    // Spent and reserved by this process.
    static std::array<std::int64_t, 4> own(const budget_book::cell& c) noexcept;
    // Name of the total of the gateway that a process belongs to.
    static std::string_view gateway_of(std::string_view process) noexcept;
    // What has to be published of all that this gateway has spent; zero: the sums of its processes say it.
    static sums total(const page& p, const budget_book::cell& c) noexcept;
    // What of `known` may be told again.
    static sums tellable(const page& p, const sums& known) noexcept;
    // Whether there is something to tell.
    static bool differs(const page& p, const budget_book::cell& c) noexcept;
    static void learn(page& p, budget_book::cell& c, const redis_told& t);
    void forget_told() noexcept;
    // Also what was heard.
    void forget_heard() noexcept;

private:
    static void learn_own(page& p, const redis_told& t) noexcept;
    static sums learn_others(page& p, const redis_told& t);

    std::array<page, 4> pages_;
};

}  // namespace spillway::quota
