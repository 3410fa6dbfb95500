#include "pipe.hpp"

#include <algorithm>

namespace spillway::proxy {
namespace {

void write_chunk(net::buffer& out, std::string_view payload) {
    char size[http::max_chunk_header];
    out.append({size, http::write_chunk_header(size, payload.size())});
    out.append(payload);
    out.append("\r\n");
}

}  // namespace

void answer_pipe::reset() noexcept {
    body_ = http::body_scanner();
    events_.reset();
    if (watcher_ != nullptr) watcher_->on_restart();
}

void answer_pipe::watch_events(std::size_t text_limit, std::string* start) {
    events_ = std::make_unique<http::sse_scanner>();
    text_.clear();
    if (start != nullptr) events_->watch_start(start);
    if (text_limit > 0) events_->want_text(&text_, text_limit);
}

http::scan_result answer_pipe::take(std::string_view bytes) {
    if (!events_ && !tap_ && watcher_ == nullptr) return body_.feed(bytes);
    return body_.feed(bytes, [this](std::string_view payload) {
        if (events_) events_->feed(payload);
        else if (tap_) tap_->feed(payload);
        if (watcher_ != nullptr) watcher_->on_payload(payload);
    });
}

void answer_pipe::add(std::unique_ptr<transform> t) {
    auto* last = &transforms_;
    while (*last) last = &(*last)->next;
    *last = std::move(t);
}

void answer_pipe::open(bool http_1_1) noexcept {
    const bool chunked = body_.kind() == http::body_kind::chunked;
    const bool own_framing = transforms_ != nullptr || body_.kind() == http::body_kind::until_close;
    if (own_framing) framing_ = http_1_1 ? framing::encode : framing::close;
    else framing_ = chunked && !http_1_1 ? framing::close : framing::pass;
    if (chunked) unchunk_ = http::body_scanner(http::body_kind::chunked, 0);
}

// The bytes have been through body_ already.
void answer_pipe::pass(net::buffer& out, std::string_view bytes) {
    if (bytes.empty()) return;
    if (passes()) return out.append(bytes);
    if (!transforms_) return append_payload(out, bytes);
    // What remains of one read goes out as one chunk.
    net::buffer kept(slabs_);
    const auto keep = [&](std::string_view piece) { kept.append(piece); };
    const auto change = [&](std::string_view payload) { run(transforms_.get(), payload, keep); };
    if (body_.kind() == http::body_kind::chunked) unchunk_.feed(bytes, change);
    else change(bytes);
    append_chunk(out, kept.view());
}

void answer_pipe::append_payload(net::buffer& out, std::string_view bytes) {
    if (body_.kind() != http::body_kind::chunked) return append_chunk(out, bytes);
    // The chunk marks are taken off by a second scanner, which sees exactly what is forwarded.
    unchunk_.feed(bytes, [&](std::string_view payload) { append_chunk(out, payload); });
}

void answer_pipe::run(transform* t, std::string_view payload, payload_sink out) {
    if (t == nullptr) return out(payload);
    const auto on = [&](std::string_view p) { run(t->next.get(), p, out); };
    t->feed(payload, on);
}

void answer_pipe::append_chunk(net::buffer& out, std::string_view payload) const {
    if (payload.empty()) return;
    if (framing_ != framing::encode) return out.append(payload);
    write_chunk(out, payload);
}

void answer_pipe::end(net::buffer& out) {
    const auto last = [&](std::string_view rest) { append_chunk(out, rest); };
    for (auto* t = transforms_.get(); t != nullptr; t = t->next.get()) {
        const auto on = [&](std::string_view p) { run(t->next.get(), p, last); };
        t->finish(on);
    }
    if (framing_ == framing::encode) out.append(http::last_chunk);
    else if (framing_ == framing::pass) out.append(body_.closing());
}

bool answer_pipe::may_insert() const noexcept {
    if (!events_ || !events_->at_event_boundary()) return false;
    for (const auto* t = transforms_.get(); t != nullptr; t = t->next.get())
        if (t->holds()) return false;
    if (framing_ == framing::pass) return body_.kind() == http::body_kind::chunked && body_.at_chunk_boundary();
    return true;
}

void answer_pipe::insert(net::buffer& out, std::string_view text) const {
    if (framing_ == framing::close) return out.append(text);
    write_chunk(out, text);
}

bool answer_pipe::end_broken(net::buffer& out, http::stream_family family) const {
    if (terminal() || !may_insert()) return false;
    http::stream_error e;
    e.message = "The backend's answer broke off. What has arrived is incomplete; send the request again.";
    e.sequence_number = events_->next_sequence_number();
    if (events_->events() > 0) e.response_id = http::response_id_of(events_->first().data);
    std::string text;
    http::append_stream_error(text, family, e);
    insert(out, text);
    if (framing_ != framing::close) out.append(http::last_chunk);
    return true;
}

std::string_view answer_pipe::usage_json() const noexcept {
    if (events_) return events_->usage().json();
    return tap_ ? tap_->json() : std::string_view{};
}

std::string_view answer_pipe::model() const noexcept {
    if (events_) return events_->usage().model();
    return tap_ ? tap_->model() : std::string_view{};
}

std::uint64_t answer_pipe::text_cut() const noexcept {
    const auto all = text_bytes();
    return all - std::min<std::uint64_t>(all, text_.size());
}

}  // namespace spillway::proxy
