#pragma once

#include <spillway/core/account.hpp>

#include "../attempts/attempts.hpp"
#include "../permit/permit.hpp"
#include "../reply/delivery.hpp"

namespace spillway::proxy {

// One request that has ended, as its observers read it: the values of all rooms, and what they come to.
struct exchange_record {
    const setting& at;
    const request& asked;
    const caller& by;
    const plan& way;
    const attempts& tried;
    const answer_pipe& pipe;
    const delivery& sent;
    time_point ended{};

    // What went into the usage record, or nearly so: estimates as the worker guesses them.
    core::record_id id{};
    core::token_counts tokens;
    core::token_source source{core::token_source::none};

    const snapshot& config() const noexcept { return at.config(); }
    const client* of_client() const noexcept { return by.client ? &config().clients[*by.client] : nullptr; }
    const pool* of_pool() const noexcept { return way.pool ? &way.pool_of() : nullptr; }
    // The backend whose answer the client got; null: the gateway's own answer, or none.
    const backend* served_by() const noexcept { return sent.is_local() ? nullptr : tried.serving(); }
    std::string_view route_name() const noexcept {
        return way.route ? std::string_view(config().route_names[*way.route]) : std::string_view{};
    }
    stats::label operation_label() const {
        return asked.what.op != nullptr ? at.worker.label(asked.what.op->name) : stats::label{0};
    }
    core::ending ending() const noexcept;
};

// Everything that is done with a request that has ended, in this order. A new observer is one file and one line in
// account.cpp.
using observer = void (*)(const exchange_record& r);
void note_metrics(const exchange_record& r);
void note_access_log(const exchange_record& r);
void note_recent_error(const exchange_record& r);
void note_all(const exchange_record& r);

// Counts the request's tokens, settles its quotas and appends its usage record; puts into `r` what that came to.
// Where the answer told no tokens and there is text to count, another thread does all that later.
void settle_usage(exchange_record& r, permit& by_quota, answer_pipe& pipe, class kept_prompt& prompt);

// Appends which backends were asked and what came of it, as a JSON array; nothing for the usual single success.
void append_tries(const exchange_record& r, std::string& out);

}  // namespace spillway::proxy
