#include <algorithm>

#include <spillway/base/text.hpp>
#include <spillway/core/error_words.hpp>
#include <spillway/core/told_time.hpp>

#include "attempts.hpp"

// The beginning of a backend's answer, as far as it decides whether that is the client's.
namespace spillway::proxy {
namespace {

using core::failed;
using core::outcome;
using core::outcome_kind;

constexpr std::size_t error_body_bytes = 16 * 1024;  // read of a refusal before it is judged
constexpr duration error_body_time = seconds(5);
constexpr std::size_t held_bytes = 64 * 1024;  // of a stream's start before it is committed unseen

}  // namespace

// The answer's head, behind interim ones.
net::task<outcome> attempts::read_head(time_point deadline, bool sent_all) {
    auto& up = connection();
    time_point look_at = suspicion_begins();
    using search = answer_front::search;
    search found = front_.has_head() ? search::found : search::missing;
    if (found == search::missing && !front_.empty()) found = front_.find_head();
    while (found == search::missing) {
        const auto room = front_.room(front_.empty() ? net::slab_pool::small : 4096);
        net::io_result r = up.try_read(room);
        if (r.waits()) r = co_await up.read_some(room, std::min(look_at, deadline), &at_.left());
        if (r.status == net::io_status::interrupted) co_return failed(outcome_kind::client_left);
        if (r.status == net::io_status::timed_out && look_at < deadline) {
            if (suspects_dead(look_at)) co_return failed(outcome_kind::suspected);
            continue;
        }
        if (r.status == net::io_status::timed_out) co_return failed(outcome_kind::first_byte_timeout);
        if (!r.ok()) {
            const bool stale = front_.empty() && !front_.had_interim() && connection_->reused();
            co_return failed(stale ? outcome_kind::stale_connection : outcome_kind::reset_before_head);
        }
        note_first_byte();
        front_.commit(r.bytes);
        look_at = time_point::max();
        found = front_.find_head();
    }
    if (found == search::bad) co_return failed(outcome_kind::bad_response);
    front_.begin_body(sent_all);
    co_return outcome_of_head();
}

outcome attempts::outcome_of_head() const {
    outcome o;
    o.kind = outcome_kind::response;
    o.status = front_.head().status;
    const auto& f = front_.head().fields;
    using http::field_id;
    const core::throttle_fields t = front_.throttle();
    if (pool_of().shed && !t.remaining_tokens.empty())
        if (const auto left = text::parse_unsigned(t.remaining_tokens))
            serving_->state->tell_tokens(
                static_cast<std::int64_t>(*left),
                static_cast<std::int64_t>(
                    text::parse_unsigned(f.value(field_id::x_ratelimit_limit_tokens)).value_or(0)),
                at_.worker.now());
    if (o.status >= 400) o.told = core::told_time(t, o.status, wall_clock::now());
    o.has_retry_after = !t.retry_after.empty() || !t.retry_after_ms.empty() || !t.x_ms_retry_after_ms.empty();
    o.fe_error = o.status == 400 && text::iequals(f.value(field_id::x_ms_fe_error), "true");
    return o;
}

// A refusal is read whole when it is small: its code may matter, and its connection can be used again.
net::task<void> attempts::read_refusal(outcome& o) {
    const time_point until = at_.worker.now() + error_body_time;
    front_.feed();
    while (!pipe_.body().done() && !pipe_.body().failed() && front_.body_bytes() < error_body_bytes) {
        const auto room = front_.room(4096);
        const net::io_result r = co_await connection().read_some(room, until, &at_.left());
        if (!r.ok()) {
            if (r.status == net::io_status::interrupted) o.kind = outcome_kind::client_left;
            if (r.status == net::io_status::closed) pipe_.take_end();
            break;
        }
        front_.commit(r.bytes);
        front_.feed();
    }
    note_refusal(o);
}

// What the refusal's code says. Its message may repeat the client's own words and is not looked at.
void attempts::note_refusal(outcome& o) {
    if (o.status == 401) credential_.note_challenge(front_.head());
    if (o.status != 403 && o.status != 404) return;
    const std::string json = front_.payload();
    const bool openai = instance_of(*serving_).kind == config::instance_kind::openai;
    if (o.status == 404)
        o.deployment_not_found =
            openai ? core::says_model_missing(json) : core::says_deployment_not_found(core::read_error(json));
    else
        o.about_credential = front_.head().fields.has(http::field_id::www_authenticate) ||
                             core::says_credential_refused(core::read_error(json));
}

// Holds the head of a stream until an event has come that means something, so that an error in the place of an answer
// can still be a failed attempt. Bounded in bytes, and in time once an event has come. Comments alone are a sign of
// life: each gives the backend as much time as it had at first, and a backend that still sends them when the time
// for the first byte is over is not given up.
net::task<void> attempts::judge_stream_start(outcome& o, time_point deadline) {
    auto& s = asked_.memory();
    pipe_.watch_events(counts_tokens() ? kept_text(out_.asks_usage()) : 0, &s.start);
    front_.feed();
    const duration patience = std::min(pool_of().idle_timeout, deadline - began_);
    time_point alive = at_.worker.now(), hold_until = time_point::max();
    while (!pipe_.body().done() && !pipe_.body().failed() &&
           pipe_.events()->start() == http::event_meaning::nothing && front_.body_bytes() < held_bytes) {
        const bool holds = pipe_.events()->events() > 0 || !s.start.empty();
        if (holds && hold_until == time_point::max()) hold_until = at_.worker.now() + pool_of().commit_hold;
        const time_point until = std::min({alive + patience, deadline, hold_until});
        const auto room = front_.room(4096);
        const net::io_result r = co_await connection().read_some(room, until, &at_.left());
        const bool closed = r.status == net::io_status::closed && pipe_.take_end();
        if (closed) break;
        if (r.status == net::io_status::timed_out) {
            const bool comments = pipe_.body().payload_bytes() > 0 && at_.worker.now() < alive + patience;
            if (!holds && !comments) o.kind = outcome_kind::first_byte_timeout;
            break;
        }
        if (!r.ok()) {
            o.kind =
                r.status == net::io_status::interrupted ? outcome_kind::client_left : outcome_kind::reset_before_head;
            break;
        }
        alive = at_.worker.now();
        front_.commit(r.bytes);
        front_.feed();
    }
    pipe_.stop_judging();
    if (o.kind == outcome_kind::response) judge_start(o);
}

void attempts::judge_start(outcome& o) {
    switch (pipe_.events()->start()) {
        case http::event_meaning::something: return;
        case http::event_meaning::nothing:
            // A preamble with an end behind it is no answer either.
            if (pipe_.body().done()) o.kind = outcome_kind::empty_answer;
            if (pipe_.body().failed()) o.kind = outcome_kind::bad_response;
            return;
        case http::event_meaning::error: break;
    }
    const core::error_words words = core::read_error(asked_.memory().start);
    o.kind = outcome_kind::stream_began_with_error;
    o.stands_for = core::stands_for(words);
    o.deployment_not_found = core::says_deployment_not_found(words);
    if (o.stands_for == 400) return;
    o.told = words.told ? words.told : core::told_time(front_.throttle(), o.stands_for, wall_clock::now());
}

// A head alone is no answer yet. It waits for its body no longer than a stream's does.
net::task<void> attempts::await_body(outcome& o) {
    const time_point until = at_.worker.now() + pool_of().commit_hold;
    using begins = answer_front::body_begins;
    begins body = front_.body_start();
    while (body == begins::not_yet) {
        const auto room = front_.room(4096);
        const net::io_result r = co_await connection().read_some(room, until, &at_.left());
        if (r.status == net::io_status::timed_out) co_return;
        if (!r.ok()) {
            const bool empty =
                r.status == net::io_status::closed && pipe_.body().kind() == http::body_kind::until_close;
            o.kind = r.status == net::io_status::interrupted ? outcome_kind::client_left
                     : empty                                 ? outcome_kind::empty_answer
                                                             : outcome_kind::reset_before_head;
            co_return;
        }
        front_.commit(r.bytes);
        body = front_.body_start();
    }
    if (body == begins::never) o.kind = outcome_kind::empty_answer;
}

bool attempts::counts_tokens() const noexcept {
    return asked_.what.op->row().tells_tokens && at_.config().counts_tokens;
}

std::size_t kept_text(bool usage_is_told) noexcept {
    constexpr std::size_t usual = 128 * 1024, asked = 16 * 1024;
    return usage_is_told ? asked : usual;
}

}  // namespace spillway::proxy
