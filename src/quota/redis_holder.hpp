#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <spillway/quota/holder.hpp>

#include "budget_book.hpp"
#include "lease_bucket.hpp"
#include "lease_permits.hpp"
#include "redis_budget.hpp"
#include "redis_link.hpp"

namespace spillway::quota {

class redis_holder;

// A request for which the lease does not suffice.
struct redis_ask {
    std::shared_ptr<redis_holder> who;
    amounts estimate;
    time_point now;
    wall_time wall;
    std::function<void(verdict)> answer;
    bool rest{false};  // it is in already, and takes only its tokens and money
};

// What holders and the store's thread have in common; outlives the store as long as a holder lives.
struct redis_common {
    std::string me, prefix;
    duration burst{};
    std::uint32_t gateways{1};
    std::atomic<bool> up{false};
    std::mutex mutex;  // of what follows
    std::condition_variable wake;
    std::deque<redis_ask> asks;
    bool stopped{false};
};

// One run of the script, and what to do with its answer.
struct redis_call {
    redis_command words;
    std::shared_ptr<redis_holder> who;
    std::function<void(verdict)> answer;  // empty: none waits
    amounts estimate;
    time_point now;
    wall_time wall;
    std::array<std::int64_t, 2> back{}, need{};  // of requests and tokens
    std::array<bool, 2> from_lease{};
    bool reserved{false}, with_permits{false}, rest{false};
    redis_budget::page* page{nullptr};
    budget_book::cell* cell{nullptr};
    std::array<std::int64_t, 4> told{};
    budget_sums told_total;
    bool retold{false}, reset{false};
    told_bounds bounds;
};

// Counts of one holder that several gateways share. take(), leave(), book() and give_back() work on what was leased
// and never wait; the store's thread (tick, prepare, apply, failed ...) keeps the lease filled.
class redis_holder final : public holder, public std::enable_shared_from_this<redis_holder> {
public:
    redis_holder(std::string name, std::shared_ptr<redis_common> common, std::shared_ptr<const seed_book> seeds);

    void change(const config::quota& limits) noexcept;

    verdict take(const amounts& estimate, time_point now, wall_time wall) noexcept override;
    void ask(const amounts& estimate, time_point now, wall_time wall, std::function<void(verdict)> answer) override;
    verdict take_rest(const amounts& estimate, time_point began, wall_time wall, time_point now) noexcept override;
    void ask_rest(const amounts& estimate, time_point began, wall_time wall, time_point now,
                  std::function<void(verdict)> answer) override;
    void leave() noexcept override;
    void book(const amounts& estimate, const amounts& real, time_point began, time_point now,
              wall_time wall) noexcept override;
    void give_back(const amounts& estimate, time_point began, time_point now, wall_time wall) noexcept override;
    quota::remaining remaining(time_point now) const noexcept override;
    state look(time_point now, wall_time wall) const override;
    // Forgets what Redis and other gateways have said, here at once and everywhere with the next call.
    void reset() noexcept;

    const std::string& name() const noexcept { return name_; }

    // What follows is for the store's thread.
    void tick(time_point now, wall_time wall, std::vector<redis_call>& out);
    // Empty words: decided here, and answered.
    redis_call prepare(redis_ask& a);
    void apply(redis_call& c, const redis_answer& a, time_point now);
    void failed(redis_call& c, time_point now);
    // Redis is there, but cannot serve this holder: it decides by its share, and asks again later and later. True: it
    // was well before.
    bool refused(redis_call& c, time_point now);
    bool alone() const noexcept { return alone_.load(std::memory_order_relaxed); }
    void went_down(time_point now);
    void came_up(time_point now);
    void go_away(time_point now, wall_time wall, std::vector<redis_call>& out);
    // Without Redis: this gateway's part of the limits. `began` is `now` unless Redis was waited for.
    verdict take_share(const amounts& estimate, time_point began, time_point now, wall_time wall) noexcept;
    verdict take_rest_share(const amounts& estimate, time_point began, time_point now, wall_time wall) noexcept;
    // An ask that Redis does not answer.
    void answer_alone(redis_ask& a, time_point now);

private:
    static constexpr std::int64_t no_limit = -1;

    void touch() noexcept;
    bool reachable() const noexcept {
        return common_->up.load(std::memory_order_relaxed) && !alone_.load(std::memory_order_relaxed);
    }
    void recover(time_point now);
    void learn(redis_call& c, const redis_told& t, time_point now);
    void follow_generation(std::int64_t told) noexcept;
    bool hand_over(redis_ask a);
    bool fresh(time_point now) const noexcept;
    bool budget_wants_ask(const amounts& estimate, time_point now, wall_time wall) noexcept;
    verdict refuse(core::quota_limit why, duration wait) noexcept;
    verdict refuse_budget(core::quota_limit why, wall_time wall) noexcept;
    verdict decide(redis_call& c, const redis_told& t, time_point now);
    void undo(redis_call& c) noexcept;
    struct wishes {
        std::array<std::int64_t, 2> want{};
        std::int64_t used{0}, permits_needed{0}, permits_wanted{0};
        bool strict{false};
    };
    void write(redis_call& c, const wishes& w);
    void add_budget(redis_call& c, wall_time wall);
    void add_past_budgets(time_point now, wall_time wall, std::vector<redis_call>& out);
    std::int64_t refill(std::size_t i, std::int64_t& back);
    std::int64_t spare_permits() const noexcept;
    bool has_reserved() const noexcept;

    const std::string name_;
    const std::shared_ptr<redis_common> common_;
    alignas(64) lease_permits permits_;
    std::array<lease_bucket, 2> rates_;  // requests, tokens
    mutable budget_book budget_;
    std::atomic<std::int64_t> limit_permits_{no_limit};
    std::atomic<bool> touched_{false}, reset_wanted_{false};
    std::atomic<bool> alone_{false};  // Redis cannot serve this holder
    std::atomic<time_point::rep> told_{0}, heard_{0},
        crowded_until_{0};  // view of rates, of budgets; no permit is left
    std::atomic<std::uint64_t> refused_{0};
    mutable std::mutex spenders_mutex_;
    std::vector<spender> spenders_;  // other gateways

    // Of the store's thread alone.
    redis_budget pages_;
    std::array<double, 2> target_{};
    std::array<std::int64_t, 2> least_{};
    std::int64_t born_{0}, generation_{0};
    time_point retry_at_{}, well_since_{};
    duration back_off_{};
    double peak_{0};
    std::int64_t told_permits_{0};
    std::int64_t asking_{0};  // permits that asks of this round want
    time_point active_{}, sent_{};
};

}  // namespace spillway::quota
