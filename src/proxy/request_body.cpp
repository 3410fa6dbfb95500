#include <algorithm>

#include <spillway/core/usage.hpp>
#include <spillway/http/json_scan.hpp>
#include <spillway/http/utf8.hpp>
#include <spillway/proxy/exchange.hpp>

namespace spillway::proxy {
namespace {

fault too_large(std::size_t limit) {
    return {.code = "RequestTooLarge",
            .who = origin::client,
            .status = 413,
            .message = "The request body is larger than this gateway takes (" + std::to_string(limit) +
                       " bytes). Send less, or ask the platform team to raise listeners.<name>.limits.body."};
}

// Above this a body is looked through in slices: a stretch of work of less than half a millisecond.
constexpr std::size_t slice = 256 * 1024;

// Chunk sizes, extensions and trailers: 16 bytes a chunk and twice the data are more than any client needs (Go takes
// as much), and 16 KiB in all are nobody's harm.
bool too_much_framing(std::size_t wire, std::size_t data, std::size_t chunks) noexcept {
    return wire - data > 16 * 1024 + 16 * chunks + 2 * data;
}

}  // namespace

// The usual small request: its body came together with its head.
bool exchange::body_is_here() noexcept {
    const auto rest = session_.input().view().substr(head_bytes_);
    switch (request_body_.kind()) {
        case http::body_kind::none: break;
        case http::body_kind::length:
            if (request_body_.remaining() > std::min(rest.size(), session_.from().limits.body_bytes)) return false;
            body_ = rest.substr(0, static_cast<std::size_t>(request_body_.remaining()));
            break;
        default: return false;
    }
    input_used_ = head_bytes_ + body_.size();
    request_read_ = true;
    return true;
}

fault exchange::body_read_fault(const net::io_result& r) const {
    if (r.status == net::io_status::timed_out)
        return {.code = "RequestTimeout",
                .who = origin::client,
                .status = 408,
                .message = "The rest of the request body did not arrive in time. Send the request again."};
    return {
        .code = "ClientLeft", .who = origin::client, .status = 499, .message = "The client closed the connection."};
}

void exchange::count_received(std::size_t bytes) noexcept {
    worker_.stats().bytes_from_clients.add(bytes);
    usage_.bytes_in += bytes;
}

// The next bytes of a body of which so many have come since `begun`: no gap longer than body_timeout, and after that
// time no fewer than the least rate. A byte a minute would keep memory for hours.
net::task<net::io_result> exchange::read_some_body(std::span<char> room, time_point begun, std::size_t received) {
    const auto& limits = session_.from().limits;
    time_point until = worker_.now() + limits.body_timeout;
    if (limits.body_rate > 0) {
        const auto worth = mul_sat<std::uint64_t>(received, 1'000'000) / limits.body_rate;
        const auto most = static_cast<std::uint64_t>(std::chrono::duration_cast<microseconds>(hours(24)).count());
        until = std::min(until, begun + limits.body_timeout + microseconds(std::min(worth, most)));
    }
    const net::io_result r = co_await session_.client().read_some(room, until, &session_.left());
    if (r.ok()) count_received(r.bytes);
    co_return r;
}

// Takes the whole body into memory: only then can another backend get it, too.
net::task<exchange::maybe_fault> exchange::read_body() {
    const auto limit = session_.from().limits.body_bytes;
    if (request_body_.kind() == http::body_kind::length && request_body_.remaining() > limit) {
        worker_.stats().limits.at({worker_.label("body")}).add();
        co_return too_large(limit);
    }
    // The slab with the head and what came behind it.
    if (auto f = hold_memory(session_.input().capacity())) co_return f;
    if (expects_continue_) {
        expects_continue_ = false;
        const net::io_result w =
            co_await session_.client().write_all("HTTP/1.1 100 Continue\r\n\r\n", write_deadline(), &session_.left());
        if (!w.ok()) co_return body_read_fault(w);
    }
    if (request_body_.kind() == http::body_kind::chunked) co_return co_await read_chunked_body();
    const auto here = session_.input().size() - head_bytes_;
    count_received(here);
    const auto missing = static_cast<std::size_t>(request_body_.remaining()) - here;
    if (missing <= session_.input().tail_room()) co_return co_await read_rest_in_place(missing);
    co_return co_await read_long_body();
}

// Behind its head, where there is room: the head's views stay good.
net::task<exchange::maybe_fault> exchange::read_rest_in_place(std::size_t missing) {
    auto& in = session_.input();
    const time_point begun = worker_.now();
    while (missing > 0) {
        const auto room = in.prepare(missing);
        const net::io_result r = co_await read_some_body(room, begun, in.size() - head_bytes_);
        if (!r.ok()) co_return body_read_fault(r);
        in.commit(r.bytes);
        missing -= std::min(missing, r.bytes);
    }
    body_is_here();
    co_return std::nullopt;
}

net::task<exchange::maybe_fault> exchange::read_long_body() {
    auto& in = session_.input();
    auto& body = scratch_->body;
    const auto whole = static_cast<std::size_t>(request_body_.remaining());
    const time_point begun = worker_.now();
    body.clear();
    body.append(in.view().substr(head_bytes_));
    input_used_ = in.size();
    while (body.size() < whole) {
        // Memory grows with what has come, not with what was promised.
        const std::size_t step = std::min(whole - body.size(), std::max<std::size_t>(64 * 1024, body.size()));
        if (auto f = hold_memory(in.capacity() + body.size() + step)) co_return f;
        // After the first megabyte its place is taken once: to move sixteen in one go would keep others waiting.
        // Pages that nothing has been written to are no memory.
        const bool moves_much = body.size() >= std::size_t{1} << 20;
        const auto room = body.prepare(moves_much ? whole - body.size() : step).first(step);
        const net::io_result r = co_await read_some_body(room, begun, body.size());
        if (!r.ok()) co_return body_read_fault(r);
        body.commit(r.bytes);
    }
    body_ = body.view();
    request_read_ = true;
    co_return std::nullopt;
}

net::task<exchange::maybe_fault> exchange::read_chunked_body() {
    const auto limit = session_.from().limits.body_bytes;
    auto& in = session_.input();
    auto& body = scratch_->body;
    const time_point begun = worker_.now();
    body.clear();
    std::size_t total = 0, slices = 0;
    const auto take = [&](std::string_view payload) {
        ++slices;
        total += payload.size();
        if (total <= limit) body.append(payload);
    };
    auto scan = request_body_.feed(in.view().substr(head_bytes_), take);
    std::size_t wire = scan.consumed;
    count_received(wire);
    input_used_ = head_bytes_ + scan.consumed;
    net::buffer raw(worker_.slabs());
    while (!scan.done) {
        if (scan.error || too_much_framing(wire, total, slices)) {
            keep_client_ = false;
            co_return bad_request("The chunked request body is malformed: " +
                                  (scan.error ? std::string(http::describe(request_body_.error()))
                                              : "more framing than data. Send larger chunks without extensions."));
        }
        if (total > limit) {
            worker_.stats().limits.at({worker_.label("body")}).add();
            co_return too_large(limit);
        }
        if (auto f = hold_memory(in.capacity() + net::slab_pool::small + body.capacity())) co_return f;
        const auto room = raw.prepare(net::slab_pool::small);
        const net::io_result r = co_await read_some_body(room, begun, total);
        if (!r.ok()) co_return body_read_fault(r);
        const std::string_view bytes(room.data(), r.bytes);
        scan = request_body_.feed(bytes, take);
        wire += scan.consumed;
        // What follows the body is the next request. Appending may move the head, but a pipelining client that sends
        // chunked bodies does not keep its connection: simpler than keeping both.
        if (scan.consumed < bytes.size()) keep_client_ = false;
    }
    if (total > limit) co_return too_large(limit);
    request_read_ = true;
    body_ = body.view();
    co_return std::nullopt;
}

// Counts the memory of a body that does not lie behind its head yet, against the budget of the process and against
// its client's share of that.
exchange::maybe_fault exchange::hold_memory(std::size_t bytes) {
    if (bytes <= held_memory_) return std::nullopt;
    const auto& shared = *snapshot_->shared;
    auto& mine = *shared.clients[*client_].body_bytes;
    const std::size_t more = bytes - held_memory_;
    const std::size_t of_client = mine.fetch_add(more, std::memory_order_relaxed) + more;
    // A body that is the only one of its client may be larger than the share: it would never get through.
    const bool shares = shared.client_body_memory < shared.body_memory;
    if (shares && of_client > shared.client_body_memory && of_client > bytes) {
        mine.fetch_sub(more, std::memory_order_relaxed);
        worker_.stats().limits.at({worker_.label("client_body_memory")}).add();
        usage_.refusal_wait = seconds(1);
        return fault{.code = "TooManyRequestBodies",
                     .who = origin::client,
                     .status = 429,
                     .message = "The request bodies of this client fill the memory that one client may take (" +
                                std::to_string(shared.client_body_memory) +
                                " bytes). Wait until one of its requests ends, or send fewer large ones at a time."};
    }
    auto& all = worker_.process().body_bytes;
    if (all.fetch_add(more, std::memory_order_relaxed) + more > shared.body_memory) {
        all.fetch_sub(more, std::memory_order_relaxed);
        mine.fetch_sub(more, std::memory_order_relaxed);
        worker_.stats().limits.at({worker_.label("body_memory")}).add();
        return fault{.code = "GatewayOverloaded",
                     .status = 503,
                     .message = "The gateway holds as many large request bodies as it may. Try again in a moment."};
    }
    held_memory_ = bytes;
    worker_.stats().body_memory.add(more);
    return std::nullopt;
}

// How to make the backend tell the usage of a stream, unless the client does so itself.
void exchange::plan_usage_question(const http::json_query& q, std::size_t options) {
    const auto edit = http::ask_for_usage(body_, q, q[options]);
    usage_.may_ask = edit.has_value();
    if (edit) usage_.ask = *edit;
}

// Where the backend's own name goes: servers of kind openai know no deployment in the path.
void exchange::place_model(const http::json_member& model, const http::json_query& q) noexcept {
    if (!snapshot_->shared->has_openai) return;
    if (model.present()) model_place_ = {model.offset, model.raw.size(), false};
    else model_place_ = {q.open_offset() + 1, 0, q.members() == 0};
}

// What puts the backend's own name into the body: in the place of the client's, or of a `model` that counts for
// nothing on dated paths, or as a member of its own. At the front of the body, where the question for usage may be
// put as well, each of the two brings its comma.
http::usage_edit exchange::model_edit(const backend& b) const noexcept {
    if (!name_in_body_.empty())
        return {static_cast<std::size_t>(name_in_body_.data() - body_.data()), name_in_body_.size(), b.model_json};
    if (snapshot_->shared->instances[b.instance].kind != config::instance_kind::openai) return {};
    std::string_view put = model_place_.removed > 0 ? b.model_json : b.model_member;
    if (model_place_.removed == 0 && model_place_.alone) put.remove_suffix(1);
    return {model_place_.at, model_place_.removed, put};
}

// The few members that decide something, and where the scanner puts them.
struct exchange::body_question {
    explicit body_question(core::family f)
        : responses(f == core::family::responses),
          chats(f == core::family::chat || f == core::family::completions),
          said(f) {
        said.attach(q);
    }
    body_question(const body_question&) = delete;
    body_question& operator=(const body_question&) = delete;

    http::json_query q;
    bool responses, chats;
    std::size_t stream{q.want("stream")}, user{q.want("user")}, model{q.want("model")};
    std::size_t options{chats ? q.want("stream_options") : stream}, most{chats ? q.want("max_tokens") : stream},
        most_completion{chats ? q.want("max_completion_tokens") : stream}, choices{chats ? q.want("n") : stream},
        most_output{responses ? q.want("max_output_tokens") : stream};
    std::array<std::size_t, 2> own_data{q.want("data_sources"), q.want("dataSources")};
    core::body_facts said;
};

// Looks into the JSON for them.
exchange::maybe_fault exchange::scan_body() {
    if (!has_body_) return std::nullopt;
    body_question asked(classified_.op->family);
    if (!http::is_utf8(body_)) return not_utf8();
    const auto e = http::scan_json_object(body_, asked.q);
    return read_body_facts(asked, e);
}

// A body of megabytes, likewise, and how much of it is prompt. Others have their turn after each millisecond.
net::task<exchange::maybe_fault> exchange::scan_long_body() {
    net::turn turn;
    for (std::string_view rest = body_; !rest.empty();) {
        const auto n = http::whole_characters(rest, slice);
        if (!http::is_utf8(rest.substr(0, n))) co_return not_utf8();
        rest.remove_prefix(n);
        if (turn.spent() && !co_await others_first(turn)) co_return body_read_fault({net::io_status::interrupted, 0});
    }
    body_question asked(classified_.op->family);
    http::json_slices json(body_, asked.q);
    while (!json.go_on(slice))
        if (turn.spent() && !co_await others_first(turn)) co_return body_read_fault({net::io_status::interrupted, 0});
    auto f = read_body_facts(asked, json.result());
    if (f || !snapshot_->shared->counts_tokens) co_return f;
    core::prompt_meter prompt(body_);
    while (!prompt.go_on(slice))
        if (turn.spent() && !co_await others_first(turn)) co_return body_read_fault({net::io_status::interrupted, 0});
    usage_.prompt_bytes = prompt.bytes();
    co_return std::nullopt;
}

bool exchange::is_long_body() const noexcept { return body_.size() > slice; }

// False: the client left.
net::task<bool> exchange::others_first(net::turn& turn) {
    const net::wake w = co_await net::yield(worker_.loop(), &session_.left());
    turn.renew();
    co_return w != net::wake::interrupted;
}

fault exchange::not_utf8() { return bad_request("The request body is not UTF-8. Send JSON in UTF-8."); }

exchange::maybe_fault exchange::read_body_facts(body_question& asked, http::json_error e) {
    const auto& op = *classified_.op;
    auto& [q, responses, chats, stream, user, model, options, most, most_completion, choices, most_output, own_data,
           said] = asked;
    const bool named_here = op.name_place == core::name_place::body_model;
    const bool placed = op.name_place == core::name_place::path && snapshot_->shared->has_openai;
    if (e != http::json_error::none)
        return fault{.code = "BadRequest",
                     .who = origin::client,
                     .status = 400,
                     .message = "The request body is no usable JSON object: " + std::string(http::describe(e)) +
                                " (at byte " + std::to_string(q.error_offset()) + ")."};
    streams_ = q[stream].is_true() && op.stream != core::stream_shape::none && op.stream != core::stream_shape::bytes;
    if (q[user].kind == http::json_kind::string) note_end_user(user_ = q[user].raw);
    const auto number = [&q = asked.q](std::size_t at) {
        return q[at].kind == http::json_kind::number ? text::parse_unsigned(q[at].raw) : std::nullopt;
    };
    if (chats) {
        usage_.answer_limit = number(most_completion) ? number(most_completion) : number(most);
        usage_.choices = std::clamp<std::uint64_t>(number(choices).value_or(1), 1, 128);
    } else if (responses) {
        usage_.answer_limit = number(most_output);
    }
    if (usage_.answer_limit) usage_.answer_limit = std::min<std::uint64_t>(*usage_.answer_limit, 10'000'000);
    if (chats && streams_ && snapshot_->shared->asks_usage) plan_usage_question(q, options);
    if (q[model].lookalike)
        return bad_request(
            "The request body has a member that could be taken for \"model\". Send \"model\" once, in this very "
            "spelling.");
    if (named_here || placed) place_model(q[model], q);
    if (named_here) {
        if (auto f = read_model(q[model])) return f;
    }
    if (const auto member = said.state(); !member.empty()) return core::stateful_request(member);
    needs_ = said.take_needs();
    for (const auto at : own_data)
        if (q[at].lookalike)
            return bad_request("The request body has a member that could be taken for \"data_sources\".");
    return std::nullopt;
}

}  // namespace spillway::proxy
