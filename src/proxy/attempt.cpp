#include <string.h>

#include <spillway/core/header_rules.hpp>
#include <spillway/core/told_time.hpp>
#include <spillway/http/target.hpp>
#include <spillway/http/writer.hpp>
#include <spillway/proxy/exchange.hpp>

namespace spillway::proxy {
namespace {

using core::outcome;
using core::outcome_kind;

constexpr std::size_t head_bytes = 64 * 1024;  // of an answer, one interim head or the last

outcome_kind kind_of(net::connect_error e) {
    switch (e) {
        case net::connect_error::dns: return outcome_kind::dns_failed;
        case net::connect_error::tls: return outcome_kind::tls_failed;
        case net::connect_error::interrupted: return outcome_kind::client_left;
        case net::connect_error::local: return outcome_kind::local_shortage;
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
    forget_answer();
    const bool first = attempts_ == 0;
    attempts_ = machine_->attempts();
    attempt_began_ = clock::now();
    begin_attempt_span();
    if (first) worker_.stats().overhead_seconds.observe(seconds_between(began_, attempt_began_));
    auto& up = *snapshot_->upstreams[b.instance];
    // A repeat on the same backend is the same attempt to those who count.
    if (!counted_) b.state->outstanding.fetch_add(1, std::memory_order_relaxed);
    counted_ = true;
    // A form that this instance does not have: another backend may.
    if (snapshot_->shared->instances[b.instance].kind == config::instance_kind::openai &&
        !core::fits_openai(*classified_.op))
        co_return failed(outcome_kind::not_composed);
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
        if (!token_at_hand(b)) {
            give_back_unused();
            co_return failed(outcome_kind::no_credential);
        }
    }
    if (!compose_request(b)) {
        give_back_unused();
        worker_.alarm("instance " + snapshot_->shared->instances[b.instance].name +
                      ": no request can be written for it; look for blanks and control characters in its credential, "
                      "endpoint, api_version and deployments");
        co_return failed(outcome_kind::not_composed);
    }
    usage_.went_out = true;
    const net::io_result sent = co_await send_request(b, a.first_byte_deadline);
    if (sent.status == net::io_status::interrupted) co_return failed(outcome_kind::client_left);
    // A backend may refuse before it has read everything: what it said counts, not that the sending broke off.
    outcome o = co_await read_answer_head(a.first_byte_deadline, sent.ok());
    if (o.kind != outcome_kind::response) co_return o;
    if (o.status >= 400) co_await read_refusal(o);
    else if (is_event_stream()) co_await judge_stream_start(o, a.first_byte_deadline);
    else if (body_start() != body_begins::begun) co_await await_body(o);
    co_return o;
}

// False: the head would not be one.
bool exchange::compose_request(const backend& b) {
    auto& s = *scratch_;
    const instance& i = snapshot_->shared->instances[b.instance];
    s.out.clear();
    s.target.clear();
    usage_.asked = asks_usage(b);
    if (usage_.capture) usage_.capture->answer.clear();
    core::append_upstream_target(s.target, classified_, i.path_prefix, b.deployment, query_, i.pinned_api_version,
                                 i.kind);
    std::size_t extra = 0;
    for (const auto& [name, value] : i.extra_fields) extra += name.size() + value.size() + 4;
    // Only what is known to be allowed goes out, so this is an upper bound: the client's head and our own fields.
    const auto auth = auth_name(i);
    http::head_writer w(s.out.prepare(head_bytes_ + s.target.size() + i.host_field.size() + auth.size() +
                                      auth_value(b, i).size() + extra + 512));
    w.request_line(s.request.method, s.target);
    w.field(http::field_id::host, i.host_field);
    const std::size_t secret_begin = w.written().size();
    if (!auth.empty()) w.field(auth, auth_value(b, i));
    const std::size_t secret_end = w.written().size();
    for (const auto& [name, value] : i.extra_fields) w.field(name, value);
    core::outgoing_fields allowed(i.kind);
    for (const auto& f : s.request.fields)
        if (allowed.admits(f.id, f.name) && !s.request.connection_names(f) &&
            !(usage_.trace && f.id == http::field_id::traceparent))
            w.field(f.name, f.value);
    if (usage_.trace) {
        const auto& t = *usage_.trace;
        const auto parent = trace::format_traceparent(t.of.trace_id, t.attempt, true, t.of.random);
        w.field(http::field_id::traceparent, std::string_view(parent.data(), parent.size()));
    }
    if (i.kind == config::instance_kind::openai) w.field("x-client-request-id", request_id());
    else if (!s.request.fields.has(http::field_id::x_ms_client_request_id))
        w.field(http::field_id::x_ms_client_request_id, request_id());
    // A body was read as JSON, so the backend shall read it as nothing else.
    if (has_body_ && !s.request.fields.has(http::field_id::content_type))
        w.field(http::field_id::content_type, "application/json");
    // The gateway reads events and usage in passing; nobody in this path may compress.
    w.field(http::field_id::accept_encoding, "identity");
    if (has_body_) w.field(http::field_id::content_length, outgoing_body_bytes(b));
    w.end();
    if (!w.ok()) {
        ::explicit_bzero(const_cast<char*>(w.written().data()), w.written().size());
        return false;
    }
    s.out.commit(w.written().size());
    secret_in_out_ = {secret_begin, secret_end - secret_begin};
    return true;
}

// Whether this backend is to tell the usage of a stream whose client did not ask. Older versions of the API refuse
// it.
bool exchange::asks_usage(const backend& b) const noexcept {
    if (!usage_.may_ask) return false;
    const instance& on = snapshot_->shared->instances[b.instance];
    const auto& pinned = on.pinned_api_version;
    if (classified_.op->generation == core::generation::v1 || on.kind == config::instance_kind::openai) return true;
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
    if (const auto name = model_edit(b); !name.inserted.empty())
        edits[n++] = {name.offset, name.removed, name.inserted};
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

// As stream::write_all, but while the backend takes no more it is listened to: who has answered already will not take
// the rest, and waiting for that would last until the first byte's deadline. A backend that takes nothing any more is
// suspected like one that does not answer; who moves on then is told so by the wait for the answer, which comes next.
net::task<net::io_result> exchange::send_piece(std::string_view bytes, time_point deadline) {
    auto& up = connection_->io;
    time_point look_at = suspicion_begins();
    for (;;) {
        if (up.tired()) {
            const net::io_result rested = co_await up.rest(&session_.left());
            if (!rested.ok()) co_return rested;
        }
        net::io_result r = up.try_write(bytes);
        if (r.ok()) {
            bytes.remove_prefix(r.bytes);
            if (bytes.empty()) co_return r;
            continue;
        }
        if (!r.waits()) co_return r;
        const hearing heard = hear_early_answer();
        if (heard == hearing::answered) co_return net::io_result{net::io_status::closed};
        auto& events = up.events();
        const time_point until = std::min(look_at, deadline);
        net::wake w{};
        if (r.status == net::io_status::would_read) w = co_await events.wait_readable(until, &session_.left());
        else if (heard == hearing::full) w = co_await events.wait_writable(until, &session_.left());
        else w = co_await events.wait_either(until, &session_.left());
        if (w == net::wake::timed_out && look_at < deadline && !suspects_dead(look_at)) continue;
        if (w == net::wake::timed_out) co_return net::io_result{net::io_status::timed_out};
        if (w == net::wake::interrupted) co_return net::io_result{net::io_status::interrupted};
    }
}

// Takes in what the backend says while it is still being sent to. Answered: a refusal has begun, the answer is there
// as a whole, or there will be none. An answer with a good status may well be written while the request is read.
exchange::hearing exchange::hear_early_answer() {
    auto& s = *scratch_;
    auto& up = connection_->io;
    while (up.events().readable || up.buffered()) {
        if (s.answer.size() > head_bytes) return hearing::full;
        const bool has_head = answer_head_bytes_ > 0;
        const net::io_result r = up.try_read(has_head ? more_room() : s.answer.prepare(4096));
        if (r.waits()) return hearing::silence;
        if (!r.ok()) return hearing::answered;
        if (s.answer.empty()) first_byte_at_ = clock::now();
        s.answer.commit(r.bytes);
        const bool found = has_head || find_answer_head() != head_search::missing;
        if (!found) continue;
        if (answer_head_bytes_ == 0 || s.response.status >= 300) return hearing::answered;
        http::body_scanner whole(s.response);
        if (whole.done() || whole.feed(s.answer.view().substr(answer_head_bytes_)).done) return hearing::answered;
    }
    return hearing::silence;
}

// Looks for the answer's head in what has come, and forgets interim answers in front of it.
exchange::head_search exchange::find_answer_head() {
    auto& s = *scratch_;
    std::size_t end = http::npos;
    while ((end = http::find_head_end(s.answer.view(), head_searched_)) != http::npos) {
        const auto error = http::parse_response(s.answer.view().substr(0, end),
                                                {head_bytes, http::field_table::capacity}, false, s.response);
        if (error != http::head_error::none || s.response.status == 101) return head_search::bad;
        if (s.response.status >= 200) {
            answer_head_bytes_ = end;
            return head_search::found;
        }
        if (++interim_heads_ > http::most_interim_heads) return head_search::bad;
        s.answer.consume(end);
        head_searched_ = 0;
    }
    head_searched_ = s.answer.size();
    return head_searched_ > head_bytes ? head_search::bad : head_search::missing;
}

// Before an attempt: nothing of an earlier one may be taken for its answer, or for leave to use its connection again.
void exchange::forget_answer() noexcept {
    scratch_->answer.clear();
    answer_body_ = http::body_scanner();
    answer_head_bytes_ = head_searched_ = interim_heads_ = fed_ = forwardable_ = 0;
    surplus_ = upstream_keeps_ = false;
    events_.reset();
}

net::task<outcome> exchange::read_answer_head(time_point deadline, bool sent_all) {
    auto& s = *scratch_;
    auto& up = connection_->io;
    time_point look_at = suspicion_begins();
    head_search search = answer_head_bytes_ > 0 ? head_search::found : head_search::missing;
    if (search == head_search::missing && !s.answer.empty()) search = find_answer_head();
    while (search == head_search::missing) {
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
            const bool stale = s.answer.empty() && interim_heads_ == 0 && connection_->reused();
            co_return failed(stale ? outcome_kind::stale_connection : outcome_kind::reset_before_head);
        }
        if (s.answer.empty()) first_byte_at_ = clock::now();
        s.answer.commit(r.bytes);
        look_at = time_point::max();
        search = find_answer_head();
    }
    if (search == head_search::bad) co_return failed(outcome_kind::bad_response);
    answer_body_ = http::body_scanner(s.response);
    // After a request that was cut short the connection is out of step, whatever the answer says. Nobody could tell
    // bytes that follow an answer without a body from the next answer's.
    upstream_keeps_ = s.response.keep_alive && sent_all && s.response.body != http::body_kind::none;
    outcome o;
    o.kind = outcome_kind::response;
    o.status = s.response.status;
    const auto& f = s.response.fields;
    using http::field_id;
    const core::throttle_fields t = throttle_fields();
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

// After an attempt whose answer is not the client's.
void exchange::finish_refused() noexcept {
    if (!connection_) return;
    finish_upstream(answer_body_.done() && !surplus_);
}

// Nothing was sent on it.
void exchange::give_back_unused() noexcept {
    snapshot_->upstreams[serving_->instance]->release(std::move(connection_), true);
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
