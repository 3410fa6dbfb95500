#include <spillway/core/error_words.hpp>
#include <spillway/core/told_time.hpp>
#include <spillway/proxy/exchange.hpp>

// The beginning of a backend's answer, as far as it decides whether that is the client's.
namespace spillway::proxy {
namespace {

using core::outcome;
using core::outcome_kind;

constexpr std::size_t error_body_bytes = 16 * 1024;  // read of a refusal before it is judged
constexpr duration error_body_time = seconds(5);
constexpr std::size_t held_bytes = 64 * 1024;  // of a stream's start before it is committed unseen

}  // namespace

core::throttle_fields exchange::throttle_fields() const noexcept {
    const auto& f = scratch_->response.fields;
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
    return t;
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
    note_refusal(o);
}

// What the refusal's code says. Its message may repeat the client's own words and is not looked at.
void exchange::note_refusal(outcome& o) {
    if (o.status == 401) note_challenge();
    if (o.status != 403 && o.status != 404) return;
    const auto& s = *scratch_;
    std::string json;
    http::body_scanner body(s.response);
    body.feed(s.answer.view().substr(answer_head_bytes_), [&](std::string_view payload) { json.append(payload); });
    const bool openai = snapshot_->shared->instances[serving_->instance].kind == config::instance_kind::openai;
    if (o.status == 404)
        o.deployment_not_found =
            openai ? core::says_model_missing(json) : core::says_deployment_not_found(core::read_error(json));
    else
        o.about_credential = s.response.fields.has(http::field_id::www_authenticate) ||
                             core::says_credential_refused(core::read_error(json));
}

// Whether the answer is a stream of events that can be read. Behind APIM one without a content type has been seen.
bool exchange::is_event_stream() const noexcept {
    const auto& s = *scratch_;
    if (!streams_ || s.response.status != 200) return false;
    const auto type = s.response.fields.value(http::field_id::content_type);
    const auto coding = s.response.fields.value(http::field_id::content_encoding);
    return (type.empty() || text::istarts_with(type, "text/event-stream")) &&
           (coding.empty() || text::iequals(coding, "identity"));
}

// Holds the head of a stream until an event has come that means something, so that an error in the place of an answer
// can still be a failed attempt. Bounded in bytes, and in time once an event has come. Comments alone are a sign of
// life: each gives the backend as much time as it had in the beginning, and whoever still sends them when the time
// for the first byte is over is not given up.
net::task<void> exchange::judge_stream_start(outcome& o, time_point deadline) {
    auto& s = *scratch_;
    events_ = std::make_unique<http::sse_scanner>();
    usage_.text.clear();
    events_->watch_start(&s.start);
    watch_answer();
    feed_answer();
    const duration patience = std::min(idle_timeout_, deadline - attempt_began_);
    time_point alive = worker_.now(), hold_until = time_point::max();
    while (!answer_body_.done() && !answer_body_.failed() && events_->start() == http::event_meaning::nothing &&
           s.answer.size() - answer_head_bytes_ < held_bytes) {
        const bool holds = events_->events() > 0 || !s.start.empty();
        if (holds && hold_until == time_point::max()) hold_until = worker_.now() + the_pool().commit_hold;
        const time_point until = std::min({alive + patience, deadline, hold_until});
        const auto room = more_room();
        const net::io_result r = co_await connection_->io.read_some(room, until, &session_.left());
        const bool closed = r.status == net::io_status::closed && answer_body_.finish();
        if (closed) break;
        if (r.status == net::io_status::timed_out) {
            const bool comments = answer_body_.payload_bytes() > 0 && worker_.now() < alive + patience;
            if (!holds && !comments) o.kind = outcome_kind::first_byte_timeout;
            break;
        }
        if (!r.ok()) {
            o.kind =
                r.status == net::io_status::interrupted ? outcome_kind::client_left : outcome_kind::reset_before_head;
            break;
        }
        alive = worker_.now();
        s.answer.commit(r.bytes);
        feed_answer();
    }
    events_->watch_start(nullptr);
    if (o.kind == outcome_kind::response) judge_start(o);
}

void exchange::judge_start(outcome& o) {
    switch (events_->start()) {
        case http::event_meaning::something: return;
        case http::event_meaning::nothing:
            // A preamble with an end behind it is no answer either.
            if (answer_body_.done()) o.kind = outcome_kind::empty_answer;
            if (answer_body_.failed()) o.kind = outcome_kind::bad_response;
            return;
        case http::event_meaning::error: break;
    }
    const core::error_words words = core::read_error(scratch_->start);
    o.kind = outcome_kind::stream_began_with_error;
    o.stands_for = core::stands_for(words);
    o.deployment_not_found = core::says_deployment_not_found(words);
    if (o.stands_for == 400) return;
    o.told = words.told ? words.told : core::told_time(throttle_fields(), o.stands_for, wall_clock::now());
}

// Whether anything of the body has come. Only a 200 has to have one.
exchange::body_begins exchange::body_start() const noexcept {
    const auto& s = *scratch_;
    if (s.response.status != 200 || classified_.op->method != "POST") return body_begins::begun;
    const auto bytes = s.answer.view().substr(answer_head_bytes_);
    // The size of a chunk that is not empty begins with another digit, nearly always.
    if (!bytes.empty() && (answer_body_.kind() != http::body_kind::chunked || bytes.front() != '0'))
        return body_begins::begun;
    http::body_scanner body(s.response);
    body.feed(bytes);
    if (body.payload_bytes() > 0 || body.failed()) return body_begins::begun;
    return body.done() ? body_begins::never : body_begins::not_yet;
}

// A head alone is no answer yet. It waits for its body no longer than a stream's does.
net::task<void> exchange::await_body(outcome& o) {
    auto& s = *scratch_;
    const time_point until = worker_.now() + the_pool().commit_hold;
    body_begins body = body_start();
    while (body == body_begins::not_yet) {
        const auto room = more_room();
        const net::io_result r = co_await connection_->io.read_some(room, until, &session_.left());
        if (r.status == net::io_status::timed_out) co_return;
        if (!r.ok()) {
            const bool empty =
                r.status == net::io_status::closed && answer_body_.kind() == http::body_kind::until_close;
            o.kind = r.status == net::io_status::interrupted ? outcome_kind::client_left
                     : empty                                 ? outcome_kind::empty_answer
                                                             : outcome_kind::reset_before_head;
            co_return;
        }
        s.answer.commit(r.bytes);
        body = body_start();
    }
    if (body == body_begins::never) o.kind = outcome_kind::empty_answer;
}

}  // namespace spillway::proxy
