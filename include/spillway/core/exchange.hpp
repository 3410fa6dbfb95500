#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <spillway/base/fault.hpp>
#include <spillway/core/evidence.hpp>
#include <spillway/core/outcome.hpp>
#include <spillway/core/retry_budget.hpp>
#include <spillway/core/selector.hpp>

namespace spillway::core {

// Bounds of one exchange; each its own. Those not configured follow what the client's SDK says about itself,
// so that no default ends what it would have waited for.
struct exchange_deadlines {
    std::optional<duration> first_byte;         // unset: 10 min, or as long as the client waits when that is longer
    std::optional<duration> first_byte_stream;  // unset: 2 min, or first_byte when that is shorter
    std::optional<duration> request;  // all attempts together, until the answer begins; unset: as the client
                                      // says, else 10 min
    duration first_byte_limit(bool streams, std::optional<duration> client_waits) const noexcept;
    duration request_limit(std::optional<duration> client_waits) const noexcept;
};

// What a request itself says about being repeated.
struct request_facts {
    time_point began{};
    bool repeatable{true};
    bool streams{false};
    bool once{false};                        // it cannot be sent a second time
    bool own_credential{true};               // false: the client's token is passed on
    std::uint32_t client{0};                 // counts once when it fails everywhere
    std::uint64_t affinity{0};               // affinity_of(client, user); 0: of the client alone
    placement where;                         // of its objects
    std::uint32_t client_repeats{0};         // x-stainless-retry-count: the SDK is repeating, so we repeat less
    std::optional<duration> client_timeout;  // x-stainless-timeout, x-stainless-read-timeout
};

// What the shell does next.
struct action {
    enum class kind : std::uint8_t {
        send,    // one attempt on `backend`
        commit,  // the answer of the last attempt is the client's; with a `wait`, its Retry-After fields tell that
                 // one
        reply,   // `why` is, with `wait` in the Retry-After fields when it is not zero
        leave,   // the client is gone
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
    claim ends;                       // trial places that the attempt held, and gives back with its signals
    bool proven{false};               // opens without being counted: several clients fared alike
    bool last_resort{false};          // no other was usable when the trial was claimed
    bool by_client{false};            // may be the client's doing; counts as breaker_state::counts() says
    std::optional<time_point> began;  // the answer was counted as a success then, and broke off
};

// One attempt: for the log, and what is held against its backend once another one has served the request.
struct attempt_record {
    std::size_t backend{0};
    int status{0};
    std::string_view reason;
    std::size_t instance{0};
    backend_signal on_backend{backend_signal::none};
    instance_signal on_instance{instance_signal::none};
    claim held;
    bool last_resort{false};
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
//   while (auto e = machine.next_effect()) apply(*e);
//
// What may be the request's own doing is held against a backend only when another one then served this very request.
// When all that were asked failed alike it counts once, for the pool, and a client counts once in a window.
class exchange_machine {
public:
    struct world {
        pool_view& view;
        balancer_state& balance;
        retry_budget& budget;
        pool_evidence& evidence;
        random_source& random;
    };

    exchange_machine(const pool_plan& plan, const retry_policy& retry, const breaker_policy& breaker,
                     const exchange_deadlines& deadlines, const request_facts& facts) noexcept;

    action start(time_point now, world w);
    // What holds whatever becomes of the request.
    effect on_outcome(const outcome& o, world w) noexcept;
    action next(time_point now, world w);

    // What is settled by the end of the attempts, one by one.
    std::optional<effect> next_effect() noexcept;
    // The exchange ends early: no backend is blamed, and next_effect() gives every trial back.
    void give_up() noexcept { settle(fate::dropped); }

    // How the committed answer ended.
    effect on_broken() const noexcept;

    // The first attempt counts as one.
    std::uint32_t attempts() const noexcept { return attempts_; }
    std::span<const attempt_record> tries() const noexcept { return {tries_.data(), recorded_}; }
    // Why the last attempt was not the client's; empty before.
    std::string_view last_reason() const noexcept { return last_.reason; }

private:
    // What became of the attempts that failed in a way that may be the request's own doing.
    enum class fate : std::uint8_t { open, outdone, doubtful, proven, dropped };

    action pick(time_point now, world w);
    action send(time_point now) noexcept;
    action again(time_point now, world w);
    action commit(time_point now, world w) noexcept;
    action elsewhere(time_point now, world w);
    action exhausted(time_point now, world w);
    action throttled_everywhere(duration wait) const;
    action refused_everywhere(duration wait) const;
    action out_of_time(time_point now, world w);
    bool last_was_throttled() const noexcept { return last_.backend == backend_signal::throttled; }
    void settle(fate f) noexcept;
    void settle_failed(time_point now, world w) noexcept;
    time_point deadline() const noexcept;

    const pool_plan& plan_;
    const retry_policy& retry_;
    const breaker_policy& breaker_;
    exchange_deadlines deadlines_;
    request_facts facts_;
    tried_set tried_;
    std::uint32_t attempts_{0}, counted_{0}, most_attempts_;

    // the attempt that runs, or was the last
    std::size_t backend_{0}, instance_{0};
    claim held_;
    bool trial_{false}, last_resort_{false}, repeated_fresh_{false}, renewed_{false};
    bool cut_short_{false};  // the client's own timeout, or the end of all attempts, came before this one's
    bool paid_{false};       // taken from the retry budget
    outcome outcome_{};
    judgement last_{};
    time_point committed_at_{};

    // all attempts
    bool all_alike_{true};  // each failed in a way that may be the request's own doing
    bool only_429_{true};
    fate fate_{fate::open};
    std::array<attempt_record, 16> tries_{};
    std::size_t recorded_{0}, told_{0};
};

}  // namespace spillway::core
