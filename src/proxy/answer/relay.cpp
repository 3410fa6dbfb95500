#include "relay.hpp"

#include <algorithm>

#include <spillway/base/text.hpp>
#include <spillway/core/header_rules.hpp>

#include "id_tagger.hpp"

namespace spillway::proxy {
namespace {

constexpr int most_records = 256;  // of TLS that one write joins

}  // namespace

net::task<bool> relay::run() {
    begin();
    auto& front = attempts_.front();
    auto& out = asked_.memory().out;
    if (!compose_head()) {
        at_.worker.alarm("backend " + attempts_.serving()->name + ": the head of its answer cannot be passed on");
        attempts_.drop_connection();
        const fault why{
            .code = "BadBackendAnswer",
            .who = origin::upstream,
            .status = 502,
            .message = "The backend answered with a head that cannot be passed on. Tell the platform team."};
        co_return co_await reply_.refuse(why);
    }
    sent_.sends_head();
    pipe_.pass(out, front.forwardable());
    if (pipe_.body().done()) pipe_.end(out);
    sent_.sends(out.size());
    const net::io_result w =
        co_await at_.connection.client().write_all(out.view(), at_.write_deadline(), &at_.left());
    if (!w.ok()) co_return lost_client();
    in_step_ = front.fed_all() && !front.surplus();
    // An open stream holds nothing of its request.
    if (pipe_.events() != nullptr && at_.config().counts_tokens)
        prompt_.keep(*by_.client, asked_.body.view(), attempts_.asked_usage());
    asked_.release();
    at_.worker.stats().streams_active.add();
    ending end = ending::complete;
    if (sent_.broke()) end = ending::broken;
    else if (!pipe_.body().done()) end = co_await pump();
    at_.worker.stats().streams_active.sub(1);
    if (end == ending::client_left) co_return lost_client();
    if (end == ending::broken) co_return co_await end_broken();
    note_missing_end();
    attempts_.finish(in_step_, sent_.status() < 300);
    co_return reply_.keeps_connection();
}

void relay::begin() {
    auto& front = attempts_.front();
    const auto& row = asked_.what.op->row();
    family_ = row.broken_end;
    sent_.has_status(front.head().status);
    // Its usage is always read, so that no figure is a guess where the answer tells it.
    if (pipe_.events() == nullptr && row.tells_tokens && front.head().status < 300)
        pipe_.watch_usage(at_.worker.take_tap());
    if (pipe_.events() != nullptr && attempts_.asked_usage()) pipe_.add(make_usage_filter());
    tag_ids();
    front.feed();
    if (pipe_.body().failed()) sent_.breaks("bad_framing");
    pipe_.open(asked_.minor >= 1);
}

// What the client is to name again gets its owner's tag. The bytes of a file are the client's own, and an answer in
// another coding cannot be read.
void relay::tag_ids() {
    const auto& config = at_.config();
    const auto& op = *asked_.what.op;
    const auto& head = attempts_.front().head();
    if (!config.tags || head.status >= 300 || op.raw_answer || head.fields.has(http::field_id::content_encoding))
        return;
    tagging by{config.tags.get(), attempts_.serving()->instance, config.clients[*by_.client].owner};
    const auto& needs = asked_.marks().needs;
    if (op.family == core::family::responses)
        by.ids = op.role == core::object_role::uses || (op.role == core::object_role::none && needs.stores);
    else if (op.family == core::family::chat ? !needs.keeps_chat : op.role == core::object_role::none) return;
    const bool events = pipe_.events() != nullptr;
    if (!events && !text::icontains(head.fields.value(http::field_id::content_type), "json")) return;
    pipe_.add(make_id_tagger(events ? http::id_walker::form::sse : http::id_walker::form::json, by));
}

bool relay::compose_head() {
    auto& out = asked_.memory().out;
    const auto& front = attempts_.front();
    const auto& from = front.head();
    const auto& backend = *attempts_.serving();
    out.clear();
    http::head_writer w(out.prepare(front.head_bytes() + 2048 + backend.name.size() + plan_.pool_of().name.size() +
                                    attempts_.instance_of(backend).region.size()));
    w.status_line(from.status, from.reason);
    for (const auto& f : from.fields)
        if (core::relayed_to_client(f.id, f.name) && !from.connection_names(f) &&
            !(permit_.tells_rate() && core::tells_rate(f.id)) && !replaces_wait(f.id))
            w.field(f.name, f.value);
    write_wait_fields(w);
    const auto kind = pipe_.body().kind();
    if (pipe_.passes() && kind == http::body_kind::length)
        w.field(http::field_id::content_length, from.content_length);
    else if (pipe_.how() == answer_pipe::framing::encode || (pipe_.passes() && kind == http::body_kind::chunked))
        w.field(http::field_id::transfer_encoding, "chunked");
    reply_.write_own_fields(w, from.fields.has(http::field_id::x_request_id),
                            pipe_.how() == answer_pipe::framing::close);
    permit_.write_rate_fields(w);
    w.end();
    if (!w.ok()) return false;
    out.commit(w.written().size());
    return true;
}

// Of a backend's own 429 the client hears how long the whole pool is away, not that backend alone.
bool relay::replaces_wait(http::field_id id) const noexcept {
    using http::field_id;
    return told_wait_ > duration::zero() && (id == field_id::retry_after || id == field_id::retry_after_ms ||
                                             id == field_id::x_ms_retry_after_ms || id == field_id::x_should_retry);
}

void relay::write_wait_fields(http::head_writer& w) const {
    if (told_wait_ <= duration::zero()) return;
    const wait_figures wait(told_wait_);
    w.field(http::field_id::retry_after, wait.seconds);
    w.field(http::field_id::retry_after_ms, wait.ms);
    if (told_retry_) w.field(http::field_id::x_should_retry, *told_retry_ ? "true" : "false");
}

// Moves the rest of the body as it comes: one read, one write, and no buffer while nothing comes. A client that reads
// slowly stops the reading of its backend.
net::task<relay::ending> relay::pump() {
    auto& up = attempts_.connection();
    auto& down = at_.connection.client();
    net::buffer buffer(at_.worker.slabs());
    time_point idle_since = at_.worker.now();
    net::turn turn;
    while (!pipe_.body().done()) {
        // Bytes without a pause must not keep other sessions on this worker waiting.
        if ((up.events().readable || up.buffered()) && turn.spent()) {
            const net::wake w = co_await net::yield(at_.worker.loop(), &at_.left());
            if (w == net::wake::interrupted) co_return ending::client_left;
            turn.renew();
        }
        const auto room = buffer.prepare(net::slab_pool::small);
        const net::io_result r = up.try_read(room);
        if (r.waits()) {
            turn.renew();
            buffer.reset();
            const time_point idle_until = idle_since + plan_.pool_of().idle_timeout, until = look_after(idle_until);
            net::wake w{};
            if (r.status == net::io_status::would_write) w = co_await up.events().wait_writable(until, &at_.left());
            else w = co_await up.events().wait_readable(until, &at_.left());
            if (w == net::wake::interrupted) co_return ending::client_left;
            if (w == net::wake::ready) continue;
            const ending after = co_await on_silence(buffer, idle_until);
            if (after != ending::complete) co_return after;
            continue;
        }
        if (!r.ok()) {
            if (ends_by(r)) break;
            co_return ending::broken;
        }
        idle_since = at_.worker.now();
        net::buffer framed(at_.worker.slabs());
        std::string_view out = take(read_ahead(room, r.bytes), framed);
        net::io_result w = down.try_write(out);
        if (!w.ok() || w.bytes < out.size()) {
            if (w.ok()) out.remove_prefix(w.bytes);
            if (w.ok() || w.waits()) w = co_await down.write_all(out, at_.write_deadline(), &at_.left());
            if (!w.ok()) co_return ending::client_left;
            turn.renew();
            // Time that the client took is not the backend's silence.
            idle_since = at_.worker.now();
        }
        if (sent_.broke()) co_return ending::broken;
    }
    if (pipe_.passes() || pipe_.body().kind() != http::body_kind::until_close) co_return ending::complete;
    pipe_.end(buffer);
    const net::io_result w = co_await down.write_all(buffer.view(), at_.write_deadline(), &at_.left());
    co_return w.ok() ? ending::complete : ending::client_left;
}

// Records that TLS has taken in already go out in the same write.
std::string_view relay::read_ahead(std::span<char> room, std::size_t got) {
    auto& up = attempts_.connection();
    for (int records = 0; got < room.size() && up.buffered() && records < most_records; ++records) {
        const net::io_result r = up.try_read(room.subspan(got));
        if (!r.ok()) break;
        got += r.bytes;
    }
    return {room.data(), got};
}

// What the client gets of bytes that came; in `framed` where it is not the bytes themselves.
std::string_view relay::take(std::string_view bytes, net::buffer& framed) {
    const http::scan_result scan = pipe_.take(bytes);
    if (scan.consumed < bytes.size()) in_step_ = false;
    if (scan.error) sent_.breaks("bad_framing");
    std::string_view out = bytes.substr(0, scan.forward);
    if (!pipe_.passes() || (scan.done && pipe_.writes_end())) {
        pipe_.pass(framed, out);
        if (scan.done) pipe_.end(framed);
        out = framed.view();
    }
    sent_.sends(out.size());
    return out;
}

// Until when to wait for the backend before there is something else to do.
time_point relay::look_after(time_point idle_until) const noexcept {
    const duration comments = at_.door().from->sse_keep_alive.value_or(duration::zero());
    if (comments <= duration::zero() || pipe_.events() == nullptr) return idle_until;
    return std::min(idle_until, at_.worker.now() + comments);
}

// Nothing has come: the backend is given up, or the client gets a sign of life.
net::task<relay::ending> relay::on_silence(net::buffer& buffer, time_point idle_until) {
    if (at_.worker.now() >= idle_until) {
        sent_.breaks("idle_timeout");
        co_return ending::broken;
    }
    if (!pipe_.may_insert()) co_return ending::complete;
    buffer.clear();
    pipe_.insert(buffer, ": keep-alive\n\n");
    const net::io_result w =
        co_await at_.connection.client().write_all(buffer.view(), at_.write_deadline(), &at_.left());
    buffer.clear();
    co_return w.ok() ? ending::complete : ending::client_left;
}

// Whether an end of the connection is the end of an answer that has no other. Over TLS only an end that the backend
// has signed with close_notify is one, since any host between can make a FIN, or the end mark of a stream.
bool relay::ends_by(const net::io_result& r) {
    const bool cut = attempts_.connection().truncated();
    const bool closed = r.status == net::io_status::closed || cut;
    const bool may_close = pipe_.body().kind() == http::body_kind::until_close;
    const bool proven = !cut || pipe_.terminal();
    if (closed && may_close && proven && pipe_.take_end()) return true;
    sent_.breaks(cut && may_close ? "tls_truncated" : closed ? "upstream_closed" : "upstream_reset");
    return false;
}

// A stream that ends well as HTTP goes, and without what ends a stream of its family: whatever made it died behind
// something that ended it neatly. Its client has got the bytes as they came; it is counted.
void relay::note_missing_end() {
    if (pipe_.events() == nullptr || pipe_.events()->has_end_mark() || sent_.broke()) return;
    if (asked_.what.op->stream == core::stream_shape::own_events) return;
    sent_.breaks("no_end_mark");
    count_broken();
}

void relay::count_broken() {
    at_.worker.stats().broken_streams.at({plan_.pool_label(), at_.worker.label(sent_.broken_why())}).add();
}

// An answer that breaks off ends in the error form of its family where that can still be said, else in a reset. Never
// in a clean end.
net::task<bool> relay::end_broken() {
    attempts_.broke_off();
    count_broken();
    net::buffer out(at_.worker.slabs());
    if (pipe_.end_broken(out, family_)) {
        const net::io_result w =
            co_await at_.connection.client().write_all(out.view(), at_.write_deadline(), &at_.left());
        if (w.ok()) {
            at_.connection.client().close(true);
            co_return false;
        }
    }
    at_.connection.client().abort();
    co_return false;
}

bool relay::lost_client() noexcept {
    attempts_.drop_connection();
    return reply_.lost_client();
}

}  // namespace spillway::proxy
