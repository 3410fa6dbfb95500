#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <spillway/base/fault.hpp>
#include <spillway/core/outcome.hpp>
#include <spillway/core/retry_budget.hpp>
#include <spillway/core/selector.hpp>

namespace spillway::core {

// Bounds of one exchange; each its own.
struct exchange_deadlines {
    duration first_byte{seconds(120)};
    duration request{minutes(10)};  // all attempts together, until the answer begins
};

// What a request itself says about being repeated.
struct request_facts {
    time_point began{};
    bool repeatable{true};
    bool own_credential{true};               // false: the client's token is passed on
    std::uint32_t client_repeats{0};         // x-stainless-retry-count: the SDK is repeating, so we repeat less
    std::optional<duration> client_timeout;  // x-stainless-timeout, x-stainless-read-timeout
};

// What the shell does next.
struct action {
    enum class kind : std::uint8_t {
        send,    // one attempt on `backend`
        commit,  // the answer of the last attempt is the client's
        reply,   // `why` is, with `wait` in the Retry-After fields when it is not zero
        leave,   // nobody is there any more
    };
    kind what{kind::leave};
    std::size_t backend{0};
    bool trial{false};  // the breaker counts this one as a trial
    bool fresh_connection{false};
    bool renew_credential{false};
    bool spillover{false};
    time_point first_byte_deadline{};
    fault why{};
    duration wait{};
    std::optional<bool> should_retry;
};

// What the breakers of a backend and of its instance have to be told about an attempt.
struct effect {
    std::size_t backend{0};
    backend_signal on_backend{backend_signal::none};
    instance_signal on_instance{instance_signal::none};
    std::optional<duration> told;
};

// One attempt, for the log.
struct attempt_record {
    std::size_t backend{0};
    int status{0};
    std::string_view reason;
};

// One request's way through its pool: event in, action out. The shell performs actions, tells the breakers of effects
// and brings outcomes; time, chance and the state of the world are arguments, so every run can be replayed.
//
//   action a = machine.start(now, world);
//   while (a.what == action::kind::send) {
//       outcome o = attempt(a);
//       apply(machine.on_outcome(o));
//       a = machine.next(now, world);
//   }
class exchange_machine {
public:
    struct world {
        pool_view& view;
        balancer_state& balance;
        retry_budget& budget;
        random_source& random;
    };

    exchange_machine(const pool_plan& plan, const retry_policy& retry, const exchange_deadlines& deadlines,
                     const request_facts& facts) noexcept;

    action start(time_point now, world w);
    effect on_outcome(const outcome& o, world w) noexcept;
    action next(time_point now, world w);

    // The first attempt counts as one.
    std::uint32_t attempts() const noexcept { return attempts_; }
    std::span<const attempt_record> tries() const noexcept { return {tries_.data(), recorded_}; }
    // Why the last attempt was not the client's; empty before.
    std::string_view last_reason() const noexcept { return last_.reason; }

private:
    action pick(time_point now, world w);
    action send(std::size_t backend, bool trial, time_point now) noexcept;
    action again(time_point now, bool fresh, bool renew);
    action exhausted(time_point now, world w) const;
    action out_of_time() const;
    time_point deadline() const noexcept;

    const pool_plan& plan_;
    const retry_policy& retry_;
    exchange_deadlines deadlines_;
    request_facts facts_;
    tried_set tried_;
    std::uint32_t attempts_{0}, most_attempts_;
    std::size_t backend_{0};
    bool trial_{false}, repeated_fresh_{false}, renewed_{false};
    bool cut_short_{false};  // the client's own timeout ends the attempt before ours would
    outcome outcome_{};
    judgement last_{};
    std::array<attempt_record, tried_set::capacity> tries_{};
    std::size_t recorded_{0};
};

}  // namespace spillway::core
