#include <algorithm>
#include <cstring>

#include "attempts.hpp"

namespace spillway::proxy {
namespace {

using core::failed;
using core::outcome;
using core::outcome_kind;

outcome_kind kind_of(net::connect_error e) {
    switch (e) {
        case net::connect_error::dns: return outcome_kind::dns_failed;
        case net::connect_error::tls: return outcome_kind::tls_failed;
        case net::connect_error::interrupted: return outcome_kind::client_left;
        case net::connect_error::local: return outcome_kind::local_shortage;
        default: return outcome_kind::connect_failed;
    }
}

// Writes a chunk's head before its bytes, and its end behind them: there is room for both.
std::string_view as_chunk(char* bytes, std::size_t size) noexcept {
    char head[http::max_chunk_header];
    const std::size_t n = http::write_chunk_header(head, size);
    std::memcpy(bytes - n, head, n);
    std::memcpy(bytes + size, "\r\n", 2);
    return {bytes - n, n + size + 2};
}

}  // namespace

// One try on one backend, up to the point where its answer can be judged. The connection stays for the relay, or for
// give_back().
net::task<outcome> attempts::attempt(const core::action& a) {
    begin_attempt(a);
    const backend& b = *serving_;
    // A form that this instance does not have: another backend may.
    if (instance_of(b).kind == config::instance_kind::openai && !core::fits_openai(*asked_.what.op))
        co_return failed(outcome_kind::not_composed);
    // What is sent once must not meet a connection that its server has just closed.
    if (!a.fresh_connection && !upload_.passes()) connection_ = at_.snapshot->upstreams[b.instance]->take_idle();
    if (!connection_)
        if (const auto o = co_await connect(a)) co_return *o;
    if (!credential_.is_fixed(instance_of(b)))
        if (const auto o = co_await prove(a)) co_return *o;
    if (!out_.compose(b, credential_.proof(b), observer_.traceparent())) {
        give_back_unused();
        at_.worker.alarm("instance " + instance_of(b).name +
                         ": no request can be written for it; look for blanks and control characters in its "
                         "credential, endpoint, api_version and deployments");
        co_return failed(outcome_kind::not_composed);
    }
    went_out_ = true;
    net::io_result sent = co_await send(a.first_byte_deadline);
    time_point answer_until = a.first_byte_deadline;
    if (sent.ok() && upload_.passes()) {
        sent = co_await send_upload();
        answer_until = std::max(answer_until, clock::now() + (a.first_byte_deadline - began_));
    }
    if (sent.status == net::io_status::interrupted) co_return failed(outcome_kind::client_left);
    // A backend may refuse before it has read everything: what it said counts, not that the sending broke off.
    outcome o = co_await read_head(answer_until, sent.ok());
    if (o.kind != outcome_kind::response) co_return o;
    if (o.status >= 400) co_await read_refusal(o);
    else if (front_.is_event_stream()) co_await judge_stream_start(o, a.first_byte_deadline);
    else if (front_.body_start() != answer_front::body_begins::begun) co_await await_body(o);
    co_return o;
}

void attempts::begin_attempt(const core::action& a) {
    serving_ = &pool_of().backends[a.backend];
    front_.reset();
    const bool first = count_ == 0;
    count_ = machine_->attempts();
    began_ = clock::now();
    observer_.begin_attempt();
    if (first) at_.worker.stats().overhead_seconds.observe(seconds_between(asked_.began, began_));
    // A repeat on the same backend is the same attempt to those who count.
    if (!counted_) serving_->state->outstanding.fetch_add(1, std::memory_order_relaxed);
    counted_ = true;
}

// Nothing: there is a connection.
net::task<std::optional<outcome>> attempts::connect(const core::action& a) {
    const duration left = a.first_byte_deadline - began_;
    const duration limit = std::min(pool_of().connect_timeout, left);
    auto opened = co_await at_.snapshot->upstreams[serving_->instance]->acquire(true, limit, &at_.left());
    if (opened.error == net::connect_error::none) {
        connection_ = std::move(opened.connection);
        co_return std::nullopt;
    }
    // The request's own deadline came before the connect timeout: that is no failure of the instance.
    if (opened.error == net::connect_error::timed_out && limit == left)
        co_return failed(outcome_kind::first_byte_timeout);
    at_.worker.alarm("instance " + instance_of(*serving_).name + ": " + opened.detail);
    co_return failed(kind_of(opened.error));
}

// Nothing: there is a token.
net::task<std::optional<outcome>> attempts::prove(const core::action& a) {
    const backend& b = *serving_;
    if (a.renew_credential) co_await credential_.renew(b, a.first_byte_deadline);
    if (!credential_.at_hand(b)) co_await credential_.await(b, a.first_byte_deadline);
    if (at_.left().fired()) co_return failed(outcome_kind::client_left);
    if (credential_.at_hand(b)) co_return std::nullopt;
    give_back_unused();
    co_return failed(outcome_kind::no_credential);
}

// Nothing was sent on it.
void attempts::give_back_unused() noexcept {
    at_.snapshot->upstreams[serving_->instance]->release(std::move(connection_), true);
}

// Head and a small body leave in one write, and so in one TLS record.
net::task<net::io_result> attempts::send(time_point deadline) {
    auto& s = asked_.memory();
    const auto pieces = out_.body();
    std::size_t next = 0;
    while (next < pieces.size() && s.out.size() + pieces[next].size() <= net::slab_pool::small - 512)
        s.out.append(pieces[next++]);
    net::io_result r = co_await send_piece(s.out.view(), deadline);
    for (; next < pieces.size() && r.ok(); ++next)
        if (!pieces[next].empty()) r = co_await send_piece(pieces[next], deadline);
    out_.wipe_proof();
    co_return r;
}

// The body as it comes from the client, which waits while the backend takes no more. An answer that comes meanwhile
// ends it.
net::task<net::io_result> attempts::send_upload() {
    net::buffer buffer(at_.worker.slabs());
    // A chunk's head stands in front of what was read, its end behind.
    const bool chunks = upload_.is_chunked();
    const auto all = buffer.prepare(net::slab_pool::small).first(net::slab_pool::small);
    const auto room = all.subspan(http::max_chunk_header, all.size() - http::max_chunk_header - 2);
    net::turn turn;
    for (;;) {
        if (turn.spent()) {
            const net::wake w = co_await net::yield(at_.worker.loop(), &at_.left());
            if (w == net::wake::interrupted) co_return net::io_result{net::io_status::interrupted};
            turn.renew();
        }
        net::io_result r = co_await upload_.next(room);
        // The client is gone, or too slow to be waited for.
        if (!r.ok()) co_return net::io_result{net::io_status::interrupted};
        const bool over = r.bytes == 0;
        std::string_view piece(room.data(), r.bytes);
        if (chunks && over) piece = http::last_chunk;
        else if (chunks) piece = as_chunk(room.data(), r.bytes);
        if (piece.empty()) co_return r;
        r = co_await send_piece(piece, clock::now() + plan_.pool_of().idle_timeout);
        if (over || !r.ok()) co_return r;
    }
}

// As stream::write_all, but while the backend takes no more it is listened to: one that answered will not take
// the rest, and waiting for that would last until the first byte's deadline. A backend that takes nothing any more is
// suspected like one that does not answer; the wait for the answer, which comes next, then moves the attempt on.
net::task<net::io_result> attempts::send_piece(std::string_view bytes, time_point deadline) {
    auto& up = connection();
    time_point look_at = suspicion_begins();
    for (;;) {
        if (up.tired()) {
            const net::io_result rested = co_await up.rest(&at_.left());
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
        if (r.status == net::io_status::would_read) w = co_await events.wait_readable(until, &at_.left());
        else if (heard == hearing::full) w = co_await events.wait_writable(until, &at_.left());
        else w = co_await events.wait_either(until, &at_.left());
        if (w == net::wake::timed_out && look_at < deadline && !suspects_dead(look_at)) continue;
        if (w == net::wake::timed_out) co_return net::io_result{net::io_status::timed_out};
        if (w == net::wake::interrupted) co_return net::io_result{net::io_status::interrupted};
    }
}

// Takes in what the backend says while it is still being sent to. Answered: a refusal has begun, the answer is there
// as a whole, or there will be none. An answer with a good status may well be written while the request is read.
attempts::hearing attempts::hear_early_answer() {
    auto& up = connection();
    while (up.events().readable || up.buffered()) {
        if (front_.size() > answer_front::most_head_bytes) return hearing::full;
        const net::io_result r = up.try_read(front_.room(4096));
        if (r.waits()) return hearing::silence;
        if (!r.ok()) return hearing::answered;
        note_first_byte();
        front_.commit(r.bytes);
        if (!front_.has_head() && front_.find_head() == answer_front::search::missing) continue;
        if (!front_.has_head() || front_.head().status >= 300 || front_.is_whole()) return hearing::answered;
    }
    return hearing::silence;
}

void attempts::note_first_byte() noexcept {
    if (front_.empty()) first_byte_at_ = clock::now();
}

}  // namespace spillway::proxy
