#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/base/secret_text.hpp>
#include <spillway/base/time.hpp>
#include <spillway/config/usage.hpp>
#include <spillway/core/quota.hpp>

// Quotas as all workers see them, and all gateways when they share a Redis.
//
// How exact they are (docs/quotas.md says it for operators):
// - memory: exact over all cores. Concurrent requests, requests and estimated tokens are never above the limit; over
// an
//   hour at saturation the sum is the rate plus one burst. A request whose real usage exceeds its estimate is charged
//   when it ends: a bucket goes into debt for it, a budget may end above its limit by what was under way.
// - Redis, reachable: requests and tokens are taken from the shared bucket before they are used (leases), so however
//   many gateways there are, what is admitted in any time T is at most rate x T + burst, plus at any moment what lies
//   on lease (about 150 ms of consumption, at most half the burst together). Concurrent requests are never above the
//   limit while gateways reach Redis at least every 6 s. Budgets: a gateway commits, without the others' knowledge,
//   at most what it can in one interval of 50 ms, and at most a part of half of what was left when it last heard of
//   them (left / (2 x gateways)); in the last twentieth of a budget each request is decided in Redis.
// - Redis away: each gateway grants limit / gateways, at least 1, so the sum is the limit when quotas.gateways is
// right.
//   What was spent and owed meanwhile is told to Redis when it is back.
namespace spillway::quota {

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
    duration wait{};                       // until it would be granted; for a budget until the period ends
    std::optional<std::int64_t> of_limit;  // the limit itself, for the message
};

// One holder of a quota: a client, a group, or a client on a pool. Any thread; no lock on the usual way. Kept over
// reloads as long as its name is the same; the limits may change.
class holder {
public:
    virtual ~holder() = default;

    // Reserves all or nothing. What is granted has to be settled, or given back, once.
    virtual verdict take(const amounts& estimate, time_point now, wall_time wall) noexcept = 0;
    // After `ask`: calls back once, from any thread, also when nothing answers (then the local share decides).
    virtual void ask(const amounts& estimate, time_point now, wall_time wall,
                     std::function<void(verdict)> answer) = 0;
    // In two steps, for a request whose size is not known yet: take() with nothing lets it in, this reserves its
    // tokens and its money. `began` and `wall` are those of take(). All or nothing; refused, it is still in.
    virtual verdict take_rest(const amounts& estimate, time_point began, wall_time wall, time_point now) noexcept = 0;
    virtual void ask_rest(const amounts& estimate, time_point began, wall_time wall, time_point now,
                          std::function<void(verdict)> answer) = 0;
    // A request has ended: its permit comes free, also before its tokens are known. Once for each grant.
    virtual void leave() noexcept = 0;
    // All the rest, rates and budgets: what it took in truth, once for each grant. `began` as given to take(), `wall`
    // is the moment `now`. What is booked is final: sums of a budget only grow.
    virtual void book(const amounts& estimate, const amounts& real, time_point began, time_point now,
                      wall_time wall) noexcept = 0;
    // Both at once.
    void settle(const amounts& estimate, const amounts& real, time_point began, time_point now,
                wall_time wall) noexcept {
        leave();
        book(estimate, real, began, now, wall);
    }
    // Instead of both: it was granted here and then refused elsewhere, as if it had never been.
    virtual void give_back(const amounts& estimate, time_point began, time_point now, wall_time wall) noexcept = 0;

    virtual quota::remaining remaining(time_point now) const noexcept = 0;

    // What a gateway has spent of a budget.
    struct spender {
        std::string gateway;
        std::int64_t tokens{0}, money_nanos{0};
        bool operator==(const spender&) const = default;
    };
    struct state {         // for /status and metrics
        std::string name;  // "client:shop", "group:production", "client:shop/pool:gpt-4o"
        quota::remaining left;
        std::int64_t concurrent{0};
        std::optional<std::int64_t> limit_concurrent;
        std::int64_t budget_tokens{0}, budget_money_nanos{0};  // spent in the period
        std::optional<std::int64_t> limit_budget_tokens, limit_budget_money_nanos;
        std::string period;  // key of the running one; empty: no budget
        std::uint64_t refused{0};
        // Part of the above that this process counts by itself, and who told it the rest.
        std::int64_t budget_tokens_here{0}, budget_money_nanos_here{0};
        std::vector<spender> others;
        bool alone{false};  // the shared store cannot serve it: its local share decides
    };
    virtual state look(time_point now, wall_time wall) const = 0;
};

// Where counts live.
class store {
public:
    virtual ~store() = default;
    // The holder of that name with these limits: the known one with its counts, or a new one. Main thread.
    virtual std::shared_ptr<holder> get(const std::string& name, const config::quota& limits) = 0;
    // What was spent up to now, by holder name and period key. Counts where a period opens later: in a new holder, or
    // with a budget that the next get() brings. A newer one takes the place of an older one; open periods stay.
    virtual void seed(const std::string& holder_name, const std::string& period_key, std::int64_t tokens,
                      std::int64_t money_nanos) = 0;
    // Fills the holder's buckets and forgets what other gateways have said of its budget, here and at all gateways;
    // what each has spent by its own count stays. False: there is no such holder. Main thread.
    virtual bool reset(const std::string& holder_name) = 0;
    // The password may have changed; what is connected stays so.
    virtual void renew(secret_text /*password*/) {}
    struct report {
        std::string kind;  // "memory", "redis"
        bool up{true};     // false: Redis is away and local shares decide
        std::string last_error;
        std::uint64_t round_trips{0}, failures{0}, asks{0};
        std::uint64_t refused{0};      // answers that were an error about one holder
        double round_trip_seconds{0};  // the last one
    };
    virtual report look() const = 0;
    virtual std::vector<holder::state> holders(time_point now, wall_time wall) const = 0;
};

struct opening {
    config::quotas settings;
    std::string password;
    std::string gateway;                     // name of this process
    std::function<void(std::string)> alarm;  // any thread, must not block
};
// Never blocks on Redis: it is reached from a thread of the store. Reads settings.ca_file. Faults:
// `QuotaStoreInvalid`, and what net::make_client_context says of the file.
result<std::unique_ptr<store>> open(opening with);
// What open() would say of the store's URL.
std::optional<fault> trouble_with(const config::quotas& settings);

}  // namespace spillway::quota
