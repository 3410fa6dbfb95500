#include "answer_front.hpp"

#include <spillway/base/text.hpp>

namespace spillway::proxy {

void answer_front::reset() noexcept {
    memory().answer.clear();
    pipe_.reset();
    head_bytes_ = head_searched_ = interim_heads_ = fed_ = forwardable_ = 0;
    surplus_ = keeps_ = false;
}

std::span<char> answer_front::room(std::size_t bytes) {
    auto& s = memory();
    const char* before = s.answer.view().data();
    const auto room = s.answer.prepare(bytes);
    if (has_head() && s.answer.view().data() != before)
        http::parse_response(s.answer.view().substr(0, head_bytes_), {most_head_bytes, http::field_table::capacity},
                             false, s.response);
    return room;
}

answer_front::search answer_front::find_head() {
    auto& s = memory();
    std::size_t end = http::npos;
    while ((end = http::find_head_end(s.answer.view(), head_searched_)) != http::npos) {
        const auto error = http::parse_response(s.answer.view().substr(0, end),
                                                {most_head_bytes, http::field_table::capacity}, false, s.response);
        if (error != http::head_error::none || s.response.status == 101) return search::bad;
        if (s.response.status >= 200) {
            head_bytes_ = end;
            return search::found;
        }
        if (++interim_heads_ > http::most_interim_heads) return search::bad;
        s.answer.consume(end);
        head_searched_ = 0;
    }
    head_searched_ = s.answer.size();
    return head_searched_ > most_head_bytes ? search::bad : search::missing;
}

void answer_front::begin_body(bool in_step) noexcept {
    pipe_.begin(head());
    // After a request that was cut short the connection is out of step, whatever the answer says. Nothing tells bytes
    // that follow an answer without a body from the next answer's.
    keeps_ = head().keep_alive && in_step && head().body != http::body_kind::none;
}

void answer_front::feed() {
    const auto bytes = body().substr(fed_);
    if (bytes.empty() || pipe_.body().done()) return;
    const auto scan = pipe_.take(bytes);
    fed_ += scan.consumed;
    forwardable_ += scan.forward;
    surplus_ = surplus_ || scan.consumed < bytes.size();
}

std::string answer_front::payload() const {
    std::string out;
    http::body_scanner body_of(head());
    body_of.feed(body(), [&](std::string_view piece) { out.append(piece); });
    return out;
}

bool answer_front::is_whole() const {
    http::body_scanner whole(head());
    return whole.done() || whole.feed(body()).done;
}

core::throttle_fields answer_front::throttle() const noexcept {
    const auto& f = head().fields;
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

bool answer_front::is_event_stream() const noexcept {
    if (!asked_.terms.streams || head().status != 200) return false;
    const auto type = head().fields.value(http::field_id::content_type);
    const auto coding = head().fields.value(http::field_id::content_encoding);
    return (type.empty() || text::istarts_with(type, "text/event-stream")) &&
           (coding.empty() || text::iequals(coding, "identity"));
}

answer_front::body_begins answer_front::body_start() const noexcept {
    if (head().status != 200 || asked_.what.op->method != "POST") return body_begins::begun;
    const auto bytes = body();
    // The size of a chunk that is not empty begins with another digit, nearly always.
    if (!bytes.empty() && (pipe_.body().kind() != http::body_kind::chunked || bytes.front() != '0'))
        return body_begins::begun;
    http::body_scanner scan(head());
    scan.feed(bytes);
    if (scan.payload_bytes() > 0 || scan.failed()) return body_begins::begun;
    return scan.done() ? body_begins::never : body_begins::not_yet;
}

}  // namespace spillway::proxy
