#pragma once

#include <atomic>
#include <memory>
#include <string>

#include <spillway/quota/holder.hpp>

#include "bucket.hpp"
#include "budget_book.hpp"
#include "permits.hpp"

namespace spillway::quota {

// Counts of one holder in this process: exact over all cores, without a lock.
class memory_holder final : public holder {
public:
    memory_holder(std::string name, duration burst, std::shared_ptr<const seed_book> seeds);

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
    void reset() noexcept {
        requests_.fill();
        tokens_.fill();
    }

private:
    verdict refuse(core::quota_limit why, duration wait) noexcept;
    verdict refuse_budget(core::quota_limit why, wall_time wall) noexcept;

    const std::string name_;
    alignas(64) permits concurrent_;
    bucket requests_, tokens_;
    mutable budget_book budget_;
    std::atomic<std::uint64_t> refused_{0};
};

}  // namespace spillway::quota
