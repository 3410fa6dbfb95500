#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/base/time.hpp>
#include <spillway/config/usage.hpp>
#include <spillway/core/quota.hpp>

// Quotas as all workers see them, and all gateways when they share a Redis.
namespace spillway::shared {

// What a request takes. A request counts one, and one at a time.
struct amounts {
    std::int64_t tokens{0};
    std::int64_t money_nanos{0};
};

// What is left, for x-ratelimit-* fields and the status page. Unset: no such limit.
struct remaining {
    std::optional<std::int64_t> limit_requests, requests, limit_tokens, tokens;
    std::optional<duration> reset_requests, reset_tokens;  // until the bucket is full again
};

struct verdict {
    enum class kind : std::uint8_t {
        granted,
        refused,
        ask,  // the local lease does not suffice: holder::ask() brings the answer
    };
    kind what{kind::granted};
    core::quota_limit limit{core::quota_limit::none};
    duration wait{};              // until it would be granted; for a budget until the period ends
    std::optional<std::int64_t> of_limit;  // the limit itself, for the message
};

// One holder of a quota: a client, a group, or a client on a pool. Any thread; no lock on the usual way. Kept over
// reloads as long as its name is the same; the limits may change.
class holder {
public:
    virtual ~holder() = default;

    // Reserves all or nothing. What is granted has to be settled once.
    virtual verdict take(const amounts& estimate, time_point now, wall_time wall) noexcept = 0;
    // After `ask`: calls back once, from any thread, also when nothing answers (then the local share decides).
    virtual void ask(const amounts& estimate, time_point now, wall_time wall,
                     std::function<void(verdict)> answer) = 0;
    // A request has ended: what it took in truth. `began` as given to take().
    virtual void settle(const amounts& estimate, const amounts& real, time_point began, time_point now,
                        wall_time wall) noexcept = 0;
    // It was granted here and then refused elsewhere: as if it had never been.
    virtual void give_back(const amounts& estimate, time_point began, time_point now, wall_time wall) noexcept = 0;

    virtual shared::remaining remaining(time_point now) const noexcept = 0;

    struct state {  // for /status and metrics
        std::string name;  // "client:shop", "group:production", "client:shop/pool:gpt-4o"
        shared::remaining left;
        std::int64_t concurrent{0};
        std::optional<std::int64_t> limit_concurrent;
        std::int64_t budget_tokens{0}, budget_money_nanos{0};  // spent in the period
        std::optional<std::int64_t> limit_budget_tokens, limit_budget_money_nanos;
        std::string period;  // key of the running one; empty: no budget
        std::uint64_t refused{0};
    };
    virtual state look(time_point now, wall_time wall) const = 0;
};

// Where counts live.
class store {
public:
    virtual ~store() = default;
    // The holder of that name with these limits: the known one with its counts, or a new one. Main thread.
    virtual std::shared_ptr<holder> get(const std::string& name, const config::quota& limits) = 0;
    // What was spent before the process began, by "<holder name>|<period key>"; applies to holders made later.
    virtual void seed(const std::string& holder_name, const std::string& period_key, std::int64_t tokens,
                      std::int64_t money_nanos) = 0;
    struct report {
        std::string kind;  // "memory", "redis"
        bool up{true};     // false: Redis is away and local shares decide
        std::string last_error;
        std::uint64_t round_trips{0}, failures{0}, asks{0};
        double round_trip_seconds{0};  // the last one
    };
    virtual report look() const = 0;
    virtual std::vector<holder::state> holders(time_point now, wall_time wall) const = 0;
};

struct opening {
    config::quotas settings;
    std::string password;
    std::string gateway;  // name of this process
    std::function<void(std::string)> alarm;  // any thread, must not block
};
// Never blocks on Redis: it is reached from a thread of the store.
result<std::unique_ptr<store>> open(opening with);

}  // namespace spillway::shared
