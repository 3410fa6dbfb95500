#include <spillway/core/header_rules.hpp>
#include <spillway/core/told_time.hpp>
#include <spillway/http/target.hpp>
#include <spillway/http/writer.hpp>
#include <spillway/proxy/exchange.hpp>

namespace spillway::proxy {
namespace {

using core::outcome;
using core::outcome_kind;

constexpr std::size_t error_body_bytes = 16 * 1024;  // read of a refusal before it is judged
constexpr duration error_body_time = seconds(5);
constexpr std::size_t held_bytes = 64 * 1024;  // of a stream's start before it is committed unseen
constexpr duration held_time = milliseconds(250);

outcome_kind kind_of(net::connect_error e) {
    switch (e) {
        case net::connect_error::dns: return outcome_kind::dns_failed;
        case net::connect_error::tls: return outcome_kind::tls_failed;
        case net::connect_error::interrupted: return outcome_kind::client_left;
        default: return outcome_kind::connect_failed;
    }
}

outcome failed(outcome_kind kind) {
    outcome o;
    o.kind = kind;
    return o;
}

}  // namespace

// One try on one backend, up to the point where its answer can be judged. The connection stays in connection_ for
// the relay, or for finish_refused() to give back.
net::task<outcome> exchange::attempt(const core::action& a) {
    const backend& b = the_pool().backends[a.backend];
    serving_ = &b;
    upstream_keeps_ = false;  // until this attempt's own answer says so
    const bool first = attempts_ == 0;
    attempts_ = machine_->attempts();
    attempt_began_ = clock::now();
    begin_attempt_span();
    if (first) worker_.stats().overhead_seconds.observe(seconds_between(began_, attempt_began_));
    auto& up = *snapshot_->upstreams[b.instance];
    // A repeat on the same backend is the same attempt to those who count.
    if (!counted_) b.state->outstanding.fetch_add(1, std::memory_order_relaxed);
    counted_ = true;
    if (!a.fresh_connection) connection_ = up.take_idle();
    if (!connection_) {
        const duration left = a.first_byte_deadline - attempt_began_;
        const duration limit = std::min(the_pool().connect_timeout, left);
        auto opened = co_await up.acquire(true, limit, &session_.left());
        if (opened.error != net::connect_error::none) {
            // The request's own deadline came before the connect timeout: that is no failure of the instance.
            if (opened.error == net::connect_error::timed_out && limit == left)
                co_return failed(outcome_kind::first_byte_timeout);
            log_connect_failure(b, opened.detail);
            co_return failed(kind_of(opened.error));
        }
        connection_ = std::move(opened.connection);
    }
    if (snapshot_->shared->instances[b.instance].token && !passes_token_) {
        if (a.renew_credential) co_await renew_token(b, a.first_byte_deadline);
        if (!token_at_hand(b)) co_await await_token(b, a.first_byte_deadline);
        if (session_.left().fired()) co_return failed(outcome_kind::client_left);
        if (!token_at_hand(b)) co_return failed(outcome_kind::no_credential);
    }
    compose_request(b);
    const net::io_result sent = co_await send_request(b, a.first_byte_deadline);
    if (sent.status == net::io_status::interrupted) co_return failed(outcome_kind::client_left);
    // A backend may refuse before it has read everything: what it said counts, not that the sending broke off.
    outcome o = co_await read_answer_head(a.first_byte_deadline, sent.ok());
    if (o.kind != outcome_kind::response) co_return o;
    if (o.status >= 400) {
        co_await read_refusal(o);
    } else if (streams_) {
        co_await judge_stream_start(o);
    }
    co_return o;
}

void exchange::compose_request(const backend& b) {
    auto& s = *scratch_;
    const instance& i = snapshot_->shared->instances[b.instance];
    s.out.clear();
    s.target.clear();
    usage_.asked = asks_usage(b);
    if (usage_.capture) usage_.capture->answer.clear();
    core::append_upstream_target(s.target, classified_, i.path_prefix, b.deployment, query_, i.pinned_api_version);
    // Only what is known to be allowed goes out, so this is an upper bound: the client's head and our own fields.
    http::head_writer w(
        s.out.prepare(head_bytes_ + s.target.size() + i.host_field.size() + auth_value(b, i).size() + 512));
    w.request_line(s.request.method, s.target);
    w.field(http::field_id::host, i.host_field);
    const std::size_t secret_begin = w.written().size();
    w.field(auth_name(i), auth_value(b, i));
    const std::size_t secret_end = w.written().size();
    core::outgoing_fields allowed;
    for (const auto& f : s.request.fields)
        if (allowed.admits(f.id, f.name) && !s.request.connection_names(f) &&
            !(usage_.trace && f.id == http::field_id::traceparent))
            w.field(f.name, f.value);
    if (usage_.trace) {
        const auto& t = *usage_.trace;
        const auto parent = trace::format_traceparent(t.of.trace_id, t.attempt, true, t.of.random);
        w.field(http::field_id::traceparent, std::string_view(parent.data(), parent.size()));
    }
    if (!s.request.fields.has(http::field_id::x_ms_client_request_id))
        w.field(http::field_id::x_ms_client_request_id, request_id());
    // The gateway reads events and usage in passing; nobody in this path may compress.
    w.field(http::field_id::accept_encoding, "identity");
    if (has_body_) w.field(http::field_id::content_length, outgoing_body_bytes(b));
    w.end();
    if (!w.ok()) throw std::runtime_error("request head does not fit");
    s.out.commit(w.written().size());
    secret_in_out_ = {secret_begin, secret_end - secret_begin};
}

// Whether this backend is to tell the usage of a stream whose client did not ask. Older versions of the API refuse
// it.
bool exchange::asks_usage(const backend& b) const noexcept {
    if (!usage_.may_ask) return false;
    const auto& pinned = snapshot_->shared->instances[b.instance].pinned_api_version;
    if (classified_.op->generation == core::generation::v1) return true;
    const auto version = http::find_param(query_, "api-version");
    return http::usage_can_be_asked(!pinned.empty() ? std::string_view(pinned) : version.value_or(""));
}

// The body with the backend's own name where the client's stood, and with the question for usage; every other byte as
// it came.
std::array<std::string_view, 5> exchange::outgoing_body(const backend& b) const noexcept {
    struct edit {
        std::size_t at{0}, removed{0};
        std::string_view put;
    };
    std::array<edit, 2> edits;
    std::size_t n = 0;
    if (!name_in_body_.empty())
        edits[n++] = {static_cast<std::size_t>(name_in_body_.data() - body_.data()), name_in_body_.size(),
                      b.model_json};
    if (usage_.asked) edits[n++] = {usage_.ask.offset, usage_.ask.removed, usage_.ask.inserted};
    if (n == 2 && edits[1].at < edits[0].at) std::swap(edits[0], edits[1]);
    std::array<std::string_view, 5> out{};
    std::size_t from = 0, k = 0;
    for (std::size_t i = 0; i < n; ++i) {
        out[k++] = body_.substr(from, edits[i].at - from);
        out[k++] = edits[i].put;
        from = edits[i].at + edits[i].removed;
    }
    out[k] = body_.substr(from);
    return out;
}

std::size_t exchange::outgoing_body_bytes(const backend& b) const noexcept {
    std::size_t n = 0;
    for (const auto piece : outgoing_body(b)) n += piece.size();
    return n;
}

// Head and a small body leave in one write, and so in one TLS record.
net::task<net::io_result> exchange::send_request(const backend& b, time_point deadline) {
    auto& s = *scratch_;
    const auto pieces = outgoing_body(b);
    std::size_t next = 0;
    while (next < pieces.size() && s.out.size() + pieces[next].size() <= net::slab_pool::small - 512)
        s.out.append(pieces[next++]);
    net::io_result r = co_await send_piece(s.out.view(), deadline);
    for (; next < pieces.size() && r.ok(); ++next)
        if (!pieces[next].empty()) r = co_await send_piece(pieces[next], deadline);
    // The buffer goes back to be used for something else.
    const auto sent = s.out.view();
    const auto [at, size] = std::exchange(secret_in_out_, {});
    if (at + size <= sent.size()) ::explicit_bzero(const_cast<char*>(sent.data()) + at, size);
    co_return r;
}

net::task<outcome> exchange::read_answer_head(time_point deadline, bool sent_all) {
    auto& s = *scratch_;
    auto& up = connection_->io;
    s.answer.clear();
    std::size_t seen = 0, end = http::npos;
    time_point look_at = suspicion_begins();
    for (;;) {
        const auto room = s.answer.prepare(s.answer.held() && s.answer.size() > 0 ? 4096 : net::slab_pool::small);
        net::io_result r = up.try_read(room);
        if (r.waits()) r = co_await up.read_some(room, std::min(look_at, deadline), &session_.left());
        if (r.status == net::io_status::interrupted) co_return failed(outcome_kind::client_left);
        if (r.status == net::io_status::timed_out && look_at < deadline) {
            if (suspects_dead(look_at)) co_return failed(outcome_kind::suspected);
            continue;
        }
        if (r.status == net::io_status::timed_out) co_return failed(outcome_kind::first_byte_timeout);
        if (!r.ok()) {
            const bool stale = s.answer.empty() && connection_->reused();
            co_return failed(stale ? outcome_kind::stale_connection : outcome_kind::reset_before_head);
        }
        if (s.answer.empty()) first_byte_at_ = clock::now();
        s.answer.commit(r.bytes);
        look_at = time_point::max();
        while ((end = http::find_head_end(s.answer.view(), seen)) != http::npos) {
            const auto error = http::parse_response(s.answer.view().substr(0, end),
                                                    {64 * 1024, http::field_table::capacity}, false, s.response);
            if (error != http::head_error::none || s.response.status == 101)
                co_return failed(outcome_kind::bad_response);
            if (s.response.status >= 200) break;
            s.answer.consume(end);  // an interim answer; the real one follows
            seen = 0;
        }
        if (end != http::npos) break;
        seen = s.answer.size();
        if (seen > 64 * 1024) co_return failed(outcome_kind::bad_response);
    }
    answer_head_bytes_ = end;
    answer_body_ = http::body_scanner(s.response);
    fed_ = forwardable_ = 0;
    surplus_ = false;
    events_.reset();
    // After a request that was cut short the connection is out of step, whatever the answer says.
    upstream_keeps_ = s.response.keep_alive && sent_all;
    outcome o;
    o.kind = outcome_kind::response;
    o.status = s.response.status;
    const auto& f = s.response.fields;
    using http::field_id;
    core::throttle_fields t;
    t.retry_after = f.value(field_id::retry_after);
    t.retry_after_ms = f.value(field_id::retry_after_ms);
    t.x_ms_retry_after_ms = f.value(field_id::x_ms_retry_after_ms);
    t.date = f.value(field_id::date);
    t.remaining_requests = f.value(field_id::x_ratelimit_remaining_requests);
    t.remaining_tokens = f.value(field_id::x_ratelimit_remaining_tokens);
    t.reset_requests = f.value(field_id::x_ratelimit_reset_requests);
    t.reset_tokens = f.value(field_id::x_ratelimit_reset_tokens);
    if (the_pool().shed && !t.remaining_tokens.empty())
        if (const auto left = text::parse_unsigned(t.remaining_tokens))
            serving_->state->tell_tokens(
                static_cast<std::int64_t>(*left),
                static_cast<std::int64_t>(
                    text::parse_unsigned(f.value(field_id::x_ratelimit_limit_tokens)).value_or(0)),
                worker_.now());
    if (o.status >= 400) o.told = core::told_time(t, o.status, wall_clock::now());
    o.has_retry_after = !t.retry_after.empty() || !t.retry_after_ms.empty() || !t.x_ms_retry_after_ms.empty();
    o.fe_error = o.status == 400 && text::iequals(f.value(field_id::x_ms_fe_error), "true");
    co_return o;
}

// Feeds what has come of the body to the scanners, once.
void exchange::feed_answer() {
    const auto bytes = scratch_->answer.view().substr(answer_head_bytes_ + fed_);
    if (bytes.empty() || answer_body_.done()) return;
    const auto scan = scan_answer(bytes);
    fed_ += scan.consumed;
    forwardable_ += scan.forward;
    surplus_ = surplus_ || scan.consumed < bytes.size();
}

// Room for more of the answer. Growing moves what is there, and the head's fields are views into it.
std::span<char> exchange::more_room() {
    auto& s = *scratch_;
    const char* before = s.answer.view().data();
    const auto room = s.answer.prepare(4096);
    if (s.answer.view().data() != before)
        http::parse_response(s.answer.view().substr(0, answer_head_bytes_), {64 * 1024, http::field_table::capacity},
                             false, s.response);
    return room;
}

// A refusal is read whole when it is small: its code may matter, and its connection can be used again.
net::task<void> exchange::read_refusal(outcome& o) {
    auto& s = *scratch_;
    const time_point until = worker_.now() + error_body_time;
    feed_answer();
    while (!answer_body_.done() && !answer_body_.failed() &&
           s.answer.size() - answer_head_bytes_ < error_body_bytes) {
        const auto room = more_room();
        const net::io_result r = co_await connection_->io.read_some(room, until, &session_.left());
        if (!r.ok()) {
            if (r.status == net::io_status::interrupted) o.kind = outcome_kind::client_left;
            if (r.status == net::io_status::closed) answer_body_.finish();
            break;
        }
        s.answer.commit(r.bytes);
        feed_answer();
    }
    const auto body = s.answer.view().substr(answer_head_bytes_);
    if (o.status == 401) note_challenge();
    o.deployment_not_found = o.status == 404 && body.find("DeploymentNotFound") != std::string_view::npos;
}

// Holds the head of a stream until its first event has shown that it is no error in disguise. Costs nothing on
// healthy streams, whose first event comes with the head or right after it; bounded in bytes and, once something
// came, in time.
net::task<void> exchange::judge_stream_start(outcome& o) {
    auto& s = *scratch_;
    if (s.response.status != 200) co_return;
    const auto type = s.response.fields.value(http::field_id::content_type);
    if (!type.empty() && !text::istarts_with(type, "text/event-stream")) co_return;
    events_ = std::make_unique<http::sse_scanner>();
    usage_.text.clear();
    watch_answer();
    feed_answer();
    time_point until = worker_.now() + idle_timeout_;
    while (!answer_body_.done() && !answer_body_.failed() && s.answer.size() - answer_head_bytes_ < held_bytes) {
        if (stream_start_known()) break;
        if (events_->events() > 0) until = std::min(until, worker_.now() + held_time);
        const auto room = more_room();
        const net::io_result r = co_await connection_->io.read_some(room, until, &session_.left());
        if (r.status == net::io_status::interrupted) {
            o.kind = outcome_kind::client_left;
            co_return;
        }
        if (r.status == net::io_status::timed_out && events_->events() > 0) break;
        if (!r.ok()) {
            if (r.status == net::io_status::closed && answer_body_.finish()) break;
            o.kind = r.status == net::io_status::timed_out ? outcome_kind::first_byte_timeout
                                                           : outcome_kind::reset_before_head;
            co_return;
        }
        s.answer.commit(r.bytes);
        feed_answer();
    }
    for (std::size_t n = 0; n < std::min<std::size_t>(events_->events(), 2); ++n)
        if (const auto e = events_->first(n); http::is_error_event(e.name, e.data))
            o.kind = outcome_kind::stream_began_with_error;
}

// Responses streams begin with response.created whatever follows, so there the second event decides.
bool exchange::stream_start_known() const noexcept {
    const auto n = events_->events();
    if (n == 0) return false;
    return stream_family_ != http::stream_family::responses || n >= 2 || events_->first(0).name != "response.created";
}

// After an attempt whose answer is not the client's.
void exchange::finish_refused() noexcept {
    if (!connection_) return;
    finish_upstream(answer_body_.done() && !surplus_);
}

void exchange::finish_upstream(bool in_step) noexcept {
    if (!connection_) return;
    const bool reusable = in_step && upstream_keeps_ && answer_body_.done() &&
                          answer_body_.kind() != http::body_kind::until_close && !connection_->io.buffered();
    snapshot_->upstreams[serving_->instance]->release(std::move(connection_), reusable);
}

void exchange::drop_connection() noexcept {
    if (!connection_) return;
    connection_->io.abort();
    connection_.reset();
}

}  // namespace spillway::proxy
