#include "body.hpp"

#include <algorithm>

namespace spillway::proxy {
namespace {

// Chunk sizes, extensions and trailers: 16 bytes a chunk and twice the data are more than any client needs (Go takes
// as much), and 16 KiB in all do no harm.
bool too_much_framing(std::size_t wire, std::size_t data, std::size_t chunks) noexcept {
    return wire - data > 16 * 1024 + 16 * chunks + 2 * data;
}

// How much of a refused request's body is read and thrown away so that the connection can go on.
constexpr std::size_t drain_bytes = 256 * 1024;
constexpr duration drain_time = seconds(2);

fault read_fault(const net::io_result& r) {
    if (r.status != net::io_status::timed_out) return request_body::client_left();
    return {.code = "RequestTimeout",
            .who = origin::client,
            .status = 408,
            .message = "The rest of the request body did not arrive in time. Send the request again."};
}

}  // namespace

fault request_body::client_left() {
    return {
        .code = "ClientLeft", .who = origin::client, .status = 499, .message = "The client closed the connection."};
}

fault request_body::too_large(std::uint64_t limit, std::string_view which) const {
    at_.worker.stats().limits.at({at_.worker.label("body")}).add();
    return {.code = "RequestTooLarge",
            .who = origin::client,
            .status = 413,
            .message = "The request body is larger than this gateway takes (" + std::to_string(limit) +
                       " bytes). Send less, or ask the platform team to raise listeners.<name>.limits." +
                       std::string(which) + "."};
}

void request_body::expect(scratch& memory, std::size_t head_bytes) {
    scratch_ = &memory;
    head_bytes_ = head_bytes;
    exists_ = memory.request.body != http::body_kind::none;
    expects_continue_ = memory.request.expect_continue;
    framing_ = http::body_scanner(memory.request);
    count(head_bytes);
}

bool request_body::is_here() noexcept {
    if (!take_in_place()) return false;
    count(bytes_.size());
    return true;
}

bool request_body::take_in_place() noexcept {
    const auto rest = at_.connection.input().view().substr(head_bytes_);
    switch (framing_.kind()) {
        case http::body_kind::none: break;
        case http::body_kind::length:
            if (framing_.remaining() > std::min(rest.size(), at_.door().from->limits.body)) return false;
            bytes_ = rest.substr(0, static_cast<std::size_t>(framing_.remaining()));
            break;
        default: return false;
    }
    input_used_ = head_bytes_ + bytes_.size();
    read_ = true;
    return true;
}

void request_body::count(std::size_t bytes) noexcept {
    at_.worker.stats().bytes_from_clients.add(bytes);
    received_ += bytes;
}

// The next bytes of a body of which so many have come since `begun`: no gap longer than body_timeout, and after that
// time no fewer than the least rate. A byte a minute would keep memory for hours.
net::task<net::io_result> request_body::read_some(std::span<char> room, time_point begun, std::size_t received) {
    const auto& limits = at_.door().from->limits;
    time_point until = at_.worker.now() + limits.body_timeout;
    if (limits.body_rate > 0) {
        const auto worth = mul_sat<std::uint64_t>(received, 1'000'000) / limits.body_rate;
        const auto most = static_cast<std::uint64_t>(std::chrono::duration_cast<microseconds>(hours(24)).count());
        until = std::min(until, begun + limits.body_timeout + microseconds(std::min(worth, most)));
    }
    const net::io_result r = co_await at_.connection.client().read_some(room, until, &at_.left());
    if (r.ok()) count(r.bytes);
    co_return r;
}

net::task<maybe_fault> request_body::read(std::size_t client) {
    memory_.belongs_to(client);
    const auto limit = at_.door().from->limits.body;
    if (framing_.kind() == http::body_kind::length && framing_.remaining() > limit) co_return too_large(limit);
    // The slab with the head and what came behind it.
    if (auto f = hold(at_.connection.input().capacity())) co_return f;
    if (expects_continue_) {
        expects_continue_ = false;
        const net::io_result w = co_await at_.connection.client().write_all("HTTP/1.1 100 Continue\r\n\r\n",
                                                                            at_.write_deadline(), &at_.left());
        if (!w.ok()) co_return read_fault(w);
    }
    maybe_fault f;
    if (framing_.kind() == http::body_kind::chunked) {
        f = co_await read_chunked();
    } else {
        const auto here = at_.connection.input().size() - head_bytes_;
        count(here);
        const auto missing = static_cast<std::size_t>(framing_.remaining()) - here;
        if (missing <= at_.connection.input().tail_room()) f = co_await read_rest_in_place(missing);
        else f = co_await read_long();
    }
    // What counts as received is the message, not its framing.
    if (!f) received_ = head_bytes_ + bytes_.size();
    co_return f;
}

// Behind its head, where there is room: the head's views stay good.
net::task<maybe_fault> request_body::read_rest_in_place(std::size_t missing) {
    auto& in = at_.connection.input();
    const time_point begun = at_.worker.now();
    while (missing > 0) {
        const auto room = in.prepare(missing);
        const net::io_result r = co_await read_some(room, begun, in.size() - head_bytes_);
        if (!r.ok()) co_return read_fault(r);
        in.commit(r.bytes);
        missing -= std::min(missing, r.bytes);
    }
    take_in_place();
    co_return std::nullopt;
}

net::task<maybe_fault> request_body::read_long() {
    auto& in = at_.connection.input();
    auto& body = scratch_->body;
    const auto whole = static_cast<std::size_t>(framing_.remaining());
    const time_point begun = at_.worker.now();
    body.clear();
    body.append(in.view().substr(head_bytes_));
    input_used_ = in.size();
    while (body.size() < whole) {
        // Memory grows with what has come, not with what was promised.
        const std::size_t step = std::min(whole - body.size(), std::max<std::size_t>(64 * 1024, body.size()));
        if (auto f = hold(in.capacity() + body.size() + step)) co_return f;
        // After the first megabyte its place is taken once: to move sixteen in one go would keep others waiting.
        // Pages that nothing has been written to are no memory.
        const bool moves_much = body.size() >= std::size_t{1} << 20;
        const auto room = body.prepare(moves_much ? whole - body.size() : step).first(step);
        const net::io_result r = co_await read_some(room, begun, body.size());
        if (!r.ok()) co_return read_fault(r);
        body.commit(r.bytes);
    }
    bytes_ = body.view();
    read_ = true;
    co_return std::nullopt;
}

net::task<maybe_fault> request_body::read_chunked() {
    const auto limit = at_.door().from->limits.body;
    auto& in = at_.connection.input();
    auto& body = scratch_->body;
    const time_point begun = at_.worker.now();
    body.clear();
    std::size_t total = 0, slices = 0;
    const auto take = [&](std::string_view payload) {
        ++slices;
        total += payload.size();
        if (total <= limit) body.append(payload);
    };
    auto scan = framing_.feed(in.view().substr(head_bytes_), take);
    std::size_t wire = scan.consumed;
    count(wire);
    input_used_ = head_bytes_ + scan.consumed;
    net::buffer raw(at_.worker.slabs());
    while (!scan.done) {
        if (scan.error || too_much_framing(wire, total, slices)) {
            in_step_ = false;
            co_return fault{
                .code = "BadRequest",
                .who = origin::client,
                .status = 400,
                .message = "The chunked request body is malformed: " +
                           (scan.error ? std::string(http::describe(framing_.error()))
                                       : "more framing than data. Send larger chunks without extensions.")};
        }
        if (total > limit) co_return too_large(limit);
        if (auto f = hold(in.capacity() + net::slab_pool::small + body.capacity())) co_return f;
        const auto room = raw.prepare(net::slab_pool::small);
        const net::io_result r = co_await read_some(room, begun, total);
        if (!r.ok()) co_return read_fault(r);
        const std::string_view bytes(room.data(), r.bytes);
        scan = framing_.feed(bytes, take);
        wire += scan.consumed;
        // What follows the body is the next request. Appending may move the head, but a pipelining client that sends
        // chunked bodies does not keep its connection: simpler than keeping both.
        if (scan.consumed < bytes.size()) in_step_ = false;
    }
    if (total > limit) co_return too_large(limit);
    read_ = true;
    bytes_ = body.view();
    co_return std::nullopt;
}

net::task<void> request_body::drain() {
    read_ = true;
    auto& in = at_.connection.input();
    http::body_scanner rest = framing_;
    const auto seen = rest.feed(in.view().substr(std::min(head_bytes_, in.size())));
    input_used_ = std::min(head_bytes_, in.size()) + seen.consumed;
    if (rest.done()) co_return;
    if (seen.error || rest.remaining() > drain_bytes || expects_continue_) {
        in_step_ = false;
        co_return;
    }
    const time_point until = at_.worker.now() + drain_time;
    net::buffer waste(at_.worker.slabs());
    std::size_t total = 0;
    while (!rest.done()) {
        const auto room = waste.prepare(net::slab_pool::small);
        const net::io_result r = co_await at_.connection.client().read_some(room, until, &at_.left());
        total += r.bytes;
        count(r.bytes);
        if (!r.ok() || total > drain_bytes) {
            in_step_ = false;
            co_return;
        }
        const std::string_view bytes(room.data(), r.bytes);
        const auto scan = rest.feed(bytes);
        if (scan.error || scan.consumed < bytes.size()) {
            // The next request has begun in bytes that are gone.
            in_step_ = false;
            co_return;
        }
    }
}

void request_body::consume_input() noexcept {
    auto& in = at_.connection.input();
    in.consume(std::min(std::exchange(input_used_, 0), in.size()));
}

void request_body::release() noexcept {
    bytes_ = {};
    consume_input();
    if (at_.connection.input().empty()) at_.connection.input().reset();
    memory_.release();
}

}  // namespace spillway::proxy
