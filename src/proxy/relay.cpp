#include <spillway/core/header_rules.hpp>
#include <spillway/http/stream_error.hpp>
#include <spillway/http/writer.hpp>
#include <spillway/proxy/exchange.hpp>

namespace spillway::proxy {
namespace {

constexpr int most_records = 256;  // of TLS that one write joins

}  // namespace

// The answer is the client's from here on: nothing is repeated any more.
net::task<bool> exchange::relay() {
    auto& s = *scratch_;
    const auto head_bytes = answer_head_bytes_;
    status_ = s.response.status;
    if (!events_) watch_answer();
    if (events_ && usage_.asked) usage_.filter = std::make_unique<http::usage_filter>();
    feed_answer();
    if (answer_body_.failed()) broken_why_ = "bad_framing";
    choose_framing();
    if (!compose_answer_head()) {
        worker_.alarm("backend " + serving_->name + ": the head of its answer cannot be passed on");
        drop_connection();
        const fault why{
            .code = "BadBackendAnswer",
            .who = origin::upstream,
            .status = 502,
            .message = "The backend answered with a head that cannot be passed on. Tell the platform team."};
        co_return co_await refuse(why);
    }
    const std::string_view first = s.answer.view().substr(head_bytes, forwardable_);
    keep_client_ = keep_client_ && framing_ != framing::close;
    progress_ = progress::head_sent;
    answer_begun_ = true;
    append_framed(s.out, first);
    if (answer_body_.done()) append_end(s.out);
    bytes_to_client_ += s.out.size();
    const net::io_result w = co_await session_.client().write_all(s.out.view(), write_deadline(), &session_.left());
    if (!w.ok()) co_return lost_client();
    const bool whole_connection = s.answer.size() == head_bytes + fed_;
    release_request();
    worker_.stats().streams_active.add();
    relay_end end = relay_end::complete;
    if (!broken_why_.empty()) end = relay_end::broken;
    else if (!answer_body_.done()) end = co_await pump();
    worker_.stats().streams_active.sub(1);
    if (end == relay_end::client_left) co_return lost_client();
    if (end == relay_end::broken) co_return co_await end_broken_answer();
    finish_upstream(whole_connection && !surplus_);
    progress_ = progress::complete;
    note_missing_end();
    note_served();
    co_return keep_client_;
}

// How the body travels on. Bytes pass through with their framing wherever both sides understand it.
void exchange::choose_framing() noexcept {
    if (usage_.filter) {
        // Less goes out than comes in, so its framing has to be ours.
        framing_ = client_minor_ >= 1 ? framing::encode : framing::close;
        if (answer_body_.kind() == http::body_kind::chunked)
            unchunk_ = http::body_scanner(http::body_kind::chunked, 0);
        return;
    }
    switch (answer_body_.kind()) {
        case http::body_kind::none:
        case http::body_kind::length: framing_ = framing::pass; return;
        case http::body_kind::chunked:
            framing_ = client_minor_ >= 1 ? framing::pass : framing::close;
            unchunk_ = http::body_scanner(http::body_kind::chunked, 0);
            return;
        case http::body_kind::until_close: framing_ = client_minor_ >= 1 ? framing::encode : framing::close; return;
    }
}

bool exchange::compose_answer_head() {
    auto& s = *scratch_;
    const auto& from = s.response;
    s.out.clear();
    http::head_writer w(s.out.prepare(answer_head_bytes_ + 2048 + serving_->name.size() + the_pool().name.size() +
                                      snapshot_->shared->instances[serving_->instance].region.size()));
    w.status_line(from.status, from.reason);
    for (const auto& f : from.fields)
        if (core::relayed_to_client(f.id, f.name) && !from.connection_names(f) &&
            !(usage_.has_rate && core::tells_rate(f.id)) && !replaces_wait(f.id))
            w.field(f.name, f.value);
    write_wait_fields(w);
    if (framing_ == framing::pass && answer_body_.kind() == http::body_kind::length)
        w.field(http::field_id::content_length, from.content_length);
    else if (framing_ == framing::encode ||
             (framing_ == framing::pass && answer_body_.kind() == http::body_kind::chunked))
        w.field(http::field_id::transfer_encoding, "chunked");
    write_own_fields(w, from.fields.has(http::field_id::x_request_id));
    write_rate_fields(w);
    w.end();
    if (!w.ok()) return false;
    s.out.commit(w.written().size());
    return true;
}

// Appends body bytes in the framing of the client's side. They have been through answer_body_ already.
void exchange::append_framed(net::buffer& out, std::string_view bytes) {
    if (bytes.empty()) return;
    if (usage_.filter) {
        append_filtered(out, bytes);
    } else if (framing_ == framing::encode) {
        append_chunk(out, bytes);
    } else if (framing_ == framing::close && answer_body_.kind() == http::body_kind::chunked) {
        // The chunk marks are taken off by a second scanner, which sees exactly what is forwarded.
        unchunk_.feed(bytes, [&](std::string_view payload) { out.append(payload); });
    } else {
        out.append(bytes);
    }
}

void exchange::append_chunk(net::buffer& out, std::string_view payload) {
    if (payload.empty()) return;
    if (framing_ != framing::encode) return out.append(payload);
    char size[http::max_chunk_header];
    out.append({size, http::write_chunk_header(size, payload.size())});
    out.append(payload);
    out.append("\r\n");
}

// Without what only the gateway asked for; what remains goes out as one chunk.
void exchange::append_filtered(net::buffer& out, std::string_view bytes) {
    net::buffer kept(worker_.slabs());
    const auto keep = [&](std::string_view piece) { kept.append(piece); };
    const auto filter = [&](std::string_view payload) { usage_.filter->feed(payload, keep); };
    if (answer_body_.kind() == http::body_kind::chunked) unchunk_.feed(bytes, filter);
    else filter(bytes);
    append_chunk(out, kept.view());
}

void exchange::append_end(net::buffer& out) {
    if (usage_.filter) usage_.filter->finish([&](std::string_view rest) { append_chunk(out, rest); });
    if (framing_ == framing::encode) out.append(http::last_chunk);
    else if (framing_ == framing::pass) out.append(answer_body_.closing());
}

http::scan_result exchange::scan_answer(std::string_view bytes) {
    if (!events_ && !usage_.tap && !usage_.capture) return answer_body_.feed(bytes);
    return answer_body_.feed(bytes, [this](std::string_view payload) {
        if (events_) events_->feed(payload);
        else if (usage_.tap) usage_.tap->feed(payload);
        if (usage_.capture) capture_answer(payload);
    });
}

// Moves the rest of the body as it comes: one read, one write, and no buffer while nothing comes. A client that reads
// slowly stops the reading of its backend.
net::task<exchange::relay_end> exchange::pump() {
    auto& up = connection_->io;
    auto& down = session_.client();
    net::buffer buffer(worker_.slabs());
    time_point idle_since = worker_.now();
    net::turn turn;
    while (!answer_body_.done()) {
        // Bytes without a pause must not keep everybody else on this worker waiting.
        if ((up.events().readable || up.buffered()) && turn.spent()) {
            const net::wake w = co_await net::yield(worker_.loop(), &session_.left());
            if (w == net::wake::interrupted) co_return relay_end::client_left;
            turn.renew();
        }
        const auto room = buffer.prepare(net::slab_pool::small);
        net::io_result r = up.try_read(room);
        if (r.waits()) {
            turn.renew();
            buffer.reset();
            const time_point idle_until = idle_since + idle_timeout_;
            const duration comments = session_.from().sse_keep_alive;
            time_point until = idle_until;
            if (comments > duration::zero() && events_) until = std::min(until, worker_.now() + comments);
            const net::wake w = r.status == net::io_status::would_write
                                    ? co_await up.events().wait_writable(until, &session_.left())
                                    : co_await up.events().wait_readable(until, &session_.left());
            if (w == net::wake::interrupted) co_return relay_end::client_left;
            if (w == net::wake::ready) continue;
            if (worker_.now() >= idle_until) {
                broken_why_ = "idle_timeout";
                co_return relay_end::broken;
            }
            if (may_insert()) {
                append_inserted(buffer, ": keep-alive\n\n");
                const net::io_result c = co_await down.write_all(buffer.view(), write_deadline(), &session_.left());
                if (!c.ok()) co_return relay_end::client_left;
                buffer.clear();
            }
            continue;
        }
        if (!r.ok()) {
            if (ends_by(r)) break;
            co_return relay_end::broken;
        }
        idle_since = worker_.now();
        // Records that TLS has taken in already go out in the same write.
        std::size_t got = r.bytes;
        for (int records = 0; got < room.size() && up.buffered() && records < most_records; ++records) {
            r = up.try_read(room.subspan(got));
            if (!r.ok()) break;
            got += r.bytes;
        }
        const std::string_view bytes(room.data(), got);
        const http::scan_result scan = scan_answer(bytes);
        surplus_ = surplus_ || scan.consumed < bytes.size();
        std::string_view out = bytes.substr(0, scan.forward);
        net::buffer framed(worker_.slabs());
        if (framing_ != framing::pass || (scan.done && !answer_body_.closing().empty())) {
            append_framed(framed, out);
            if (scan.done) append_end(framed);
            out = framed.view();
        }
        bytes_to_client_ += out.size();
        net::io_result w = down.try_write(out);
        if (!w.ok() || w.bytes < out.size()) {
            if (w.ok()) out.remove_prefix(w.bytes);
            if (w.ok() || w.waits()) w = co_await down.write_all(out, write_deadline(), &session_.left());
            if (!w.ok()) co_return relay_end::client_left;
            turn.renew();
            // Time that the client took is not the backend's silence.
            idle_since = worker_.now();
        }
        if (scan.error) {
            broken_why_ = "bad_framing";
            co_return relay_end::broken;
        }
    }
    if (framing_ != framing::pass && answer_body_.kind() == http::body_kind::until_close) {
        append_end(buffer);
        const net::io_result w = co_await down.write_all(buffer.view(), write_deadline(), &session_.left());
        if (!w.ok()) co_return relay_end::client_left;
    }
    co_return relay_end::complete;
}

// Whether an end of the connection is the end of an answer that has no other. Over TLS only an end that the backend
// has signed with close_notify is one, since anybody on the way can make a FIN, or the end mark of a stream.
bool exchange::ends_by(const net::io_result& r) {
    const bool cut = connection_->io.truncated();
    const bool closed = r.status == net::io_status::closed || cut;
    const bool may_close = answer_body_.kind() == http::body_kind::until_close;
    const bool proven = !cut || (events_ && events_->terminal());
    if (closed && may_close && proven && answer_body_.finish()) return true;
    broken_why_ = cut && may_close ? "tls_truncated" : closed ? "upstream_closed" : "upstream_reset";
    return false;
}

// A stream that ends well as HTTP goes, and without what ends a stream of its family: whatever made it died behind
// something that ended it neatly. Its client has got the bytes as they came; who counts is told.
void exchange::note_missing_end() {
    if (!events_ || events_->has_end_mark() || !broken_why_.empty()) return;
    broken_why_ = "no_end_mark";
    worker_.stats().broken_streams.at({pool_label(), worker_.label(broken_why_)}).add();
}

// Whether own bytes may be put into the stream here: between two events and between two chunks.
bool exchange::may_insert() const noexcept {
    if (!events_ || !events_->at_event_boundary()) return false;
    if (usage_.filter && usage_.filter->held() > 0) return false;
    if (framing_ == framing::pass)
        return answer_body_.kind() == http::body_kind::chunked && answer_body_.at_chunk_boundary();
    return true;
}

void exchange::append_inserted(net::buffer& out, std::string_view text) {
    out.clear();
    if (framing_ == framing::close) {
        out.append(text);
        return;
    }
    char size[http::max_chunk_header];
    out.append({size, http::write_chunk_header(size, text.size())});
    out.append(text);
    out.append("\r\n");
}

// An answer that breaks off ends in the error form of its family where that can still be said, else in a reset. Never
// in a clean end.
net::task<bool> exchange::end_broken_answer() {
    drop_connection();
    apply(machine_->on_broken());
    worker_.stats().broken_streams.at({pool_label(), worker_.label(broken_why_)}).add();
    const bool told = events_ && events_->terminal();
    if (!told && may_insert()) {
        std::string text;
        http::stream_error e;
        e.message = "The backend's answer broke off. What has arrived is incomplete; send the request again.";
        e.sequence_number = events_->next_sequence_number();
        if (events_->events() > 0) e.response_id = http::response_id_of(events_->first().data);
        http::append_stream_error(text, stream_family_, e);
        net::buffer out(worker_.slabs());
        append_inserted(out, text);
        if (framing_ != framing::close) out.append(http::last_chunk);
        const net::io_result w = co_await session_.client().write_all(out.view(), write_deadline(), &session_.left());
        if (w.ok()) {
            session_.client().close(true);
            co_return false;
        }
    }
    session_.client().abort();
    co_return false;
}

// An exception is the gateway's own fault, and is told as one as long as nothing has been said.
net::task<void> exchange::answer_exception() {
    drop_connection();
    bool told = false;
    if (!answer_begun_ && scratch_ && !session_.left().fired()) {
        // Nobody knows how much of the request has been read.
        keep_client_ = false;
        request_read_ = true;
        try {
            const fault why{.code = "InternalError",
                            .who = origin::gateway,
                            .status = 500,
                            .message =
                                "The gateway failed. Send the request again, and tell the platform team when "
                                "this stays."};
            co_await refuse(why);
            told = true;
        } catch (const std::exception&) {
            told = false;
        }
    }
    if (!told) session_.client().abort();
}

bool exchange::lost_client() noexcept {
    // Some SDKs hang up when they have the last event: they have got all that they asked for.
    const bool has_all = events_ && events_->terminal() && broken_why_.empty();
    if (!has_all) {
        client_left_ = true;
        worker_.stats().client_left.add();
    }
    drop_connection();
    session_.client().close();
    return false;
}

}  // namespace spillway::proxy
