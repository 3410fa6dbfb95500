#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <spillway/base/time.hpp>
#include <spillway/config/traffic.hpp>

namespace spillway::core {

using retry_policy = config::retry_policy;

// How an attempt ended, as far as its answer's beginning.
enum class outcome_kind : std::uint8_t {
    response,        // a head came; `status` says which
    connect_failed,  // refused, unreachable, or not in time
    dns_failed,
    tls_failed,
    reset_before_head,  // the connection broke after the request was (partly) sent
    stale_connection,   // the same on a reused connection: most likely closed while the request was under way
    first_byte_timeout,
    bad_response,             // a head that is no HTTP
    stream_began_with_error,  // 200, but an event before any content tells of a failure; `stands_for` says of which
    empty_answer,             // 200 with neither an event nor a body
    suspected,                // waited long without a byte, and a probe of the backend was not answered
    no_credential,            // the gateway has no token for the instance at the moment
    local_shortage,           // descriptors, ports or memory ran out in the gateway itself
    not_composed,             // the request could not be written for this backend; nothing was sent
    client_left,
};

struct outcome {
    outcome_kind kind{outcome_kind::response};
    int status{0};
    int stands_for{0};             // of an error event: the status that its code means; 400: the client's own fault
    std::optional<duration> told;  // wait that the backend asked for
    bool has_retry_after{false};
    bool fe_error{false};              // 400 with x-ms-fe-error: the front end does not know the deployment
    bool deployment_not_found{false};  // 404 whose error.code says so
    bool about_credential{false};      // 403 whose error.code says that the credential is refused
};

// An attempt that brought no answer.
inline outcome failed(outcome_kind kind) noexcept {
    outcome o;
    o.kind = kind;
    return o;
}

enum class verdict : std::uint8_t {
    commit,          // the answer is the client's
    elsewhere,       // another backend, else a reply of ours
    repeat_fresh,    // the same backend on a fresh connection
    repeat_renewed,  // the same backend with a renewed credential
    refuse,          // a reply of ours, no other is asked
    give_up,         // the client is gone
};

// What the breakers are told.
enum class backend_signal : std::uint8_t {
    none,
    served,     // the exchange got what it wanted
    answered,   // alive, and no more is known: a 400, say
    throttled,  // stays away until the told time
    failure,
    missing,  // the instance does not know the deployment
    doubt,    // failed, but so did all others that were asked
};
enum class instance_signal : std::uint8_t { none, reachable, failure, misconfigured, doubt };

struct judgement {
    core::verdict verdict{core::verdict::commit};
    backend_signal backend{backend_signal::none};
    instance_signal instance{instance_signal::none};
    // May be the request's own doing: held against the backend only when another one then serves this very request.
    bool settled_later{false};
    // Counts only as far as clients who make such failures alone are told from a backend that fails them all.
    bool by_client{false};
    bool free{false};           // does not count towards retry.attempts
    bool spends_budget{false};  // the backend may have worked on it, so a repeat multiplies load
    std::string_view reason;    // stable, for logs and metrics
};

// What the exchange has done so far that decides what may be done once only.
struct judge_facts {
    bool repeatable{true};
    bool streams{false};
    bool repeated_fresh{false};
    bool can_renew{false};  // the credential's source can be asked for another one
    bool renewed{false};
    bool own_credential{true};  // false: the client's token was passed on, so what it may do is between those two
};

// The table of outcomes in docs/architecture.md.
judgement judge(const outcome& o, const judge_facts& facts, const retry_policy& policy) noexcept;

}  // namespace spillway::core
