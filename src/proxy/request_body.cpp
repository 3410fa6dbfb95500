#include <algorithm>

#include <spillway/http/json_scan.hpp>
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

// Takes the whole body into memory: only then can another backend get it, too.
net::task<exchange::maybe_fault> exchange::read_body() {
    const auto limit = session_.from().limits.body_bytes;
    if (request_body_.kind() == http::body_kind::length && request_body_.remaining() > limit) {
        worker_.stats().limits.at({worker_.label("body")}).add();
        co_return too_large(limit);
    }
    if (expects_continue_) {
        expects_continue_ = false;
        const net::io_result w =
            co_await session_.client().write_all("HTTP/1.1 100 Continue\r\n\r\n", write_deadline(), &session_.left());
        if (!w.ok()) co_return body_read_fault(w);
    }
    if (request_body_.kind() == http::body_kind::chunked) co_return co_await read_chunked_body();
    const auto missing =
        static_cast<std::size_t>(request_body_.remaining()) - (session_.input().size() - head_bytes_);
    if (missing <= session_.input().tail_room()) co_return co_await read_rest_in_place(missing);
    co_return co_await read_long_body();
}

// Behind its head, where there is room: the head's views stay good.
net::task<exchange::maybe_fault> exchange::read_rest_in_place(std::size_t missing) {
    auto& in = session_.input();
    while (missing > 0) {
        const auto room = in.prepare(missing);
        const net::io_result r = co_await session_.client().read_some(
            room, worker_.now() + session_.from().limits.body_timeout, &session_.left());
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
    body.clear();
    body.append(in.view().substr(head_bytes_));
    input_used_ = in.size();
    while (body.size() < whole) {
        // Memory grows with what has come, not with what was promised.
        const std::size_t step = std::min(whole - body.size(), std::max<std::size_t>(64 * 1024, body.size()));
        if (auto f = hold_memory(body.size() + step)) co_return f;
        const auto room = body.prepare(step).first(step);
        const net::io_result r = co_await session_.client().read_some(
            room, worker_.now() + session_.from().limits.body_timeout, &session_.left());
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
    body.clear();
    std::size_t total = 0;
    const auto take = [&](std::string_view payload) {
        total += payload.size();
        if (total <= limit) body.append(payload);
    };
    auto scan = request_body_.feed(in.view().substr(head_bytes_), take);
    input_used_ = head_bytes_ + scan.consumed;
    net::buffer raw(worker_.slabs());
    while (!scan.done) {
        if (scan.error) {
            keep_client_ = false;
            co_return fault{.code = "BadRequest",
                            .who = origin::client,
                            .status = 400,
                            .message = "The chunked request body is malformed: " +
                                       std::string(http::describe(request_body_.error()))};
        }
        if (total > limit) {
            worker_.stats().limits.at({worker_.label("body")}).add();
            co_return too_large(limit);
        }
        if (auto f = hold_memory(body.capacity())) co_return f;
        const auto room = raw.prepare(net::slab_pool::small);
        const net::io_result r = co_await session_.client().read_some(
            room, worker_.now() + session_.from().limits.body_timeout, &session_.left());
        if (!r.ok()) co_return body_read_fault(r);
        const std::string_view bytes(room.data(), r.bytes);
        scan = request_body_.feed(bytes, take);
        // What follows the body is the next request. Appending may move the head, but a pipelining client that sends
        // chunked bodies does not keep its connection: simpler than keeping both.
        if (scan.consumed < bytes.size()) keep_client_ = false;
    }
    if (total > limit) co_return too_large(limit);
    request_read_ = true;
    body_ = body.view();
    co_return std::nullopt;
}

// Counts bodies that outgrow a slab against the budget of the process.
exchange::maybe_fault exchange::hold_memory(std::size_t bytes) {
    if (bytes <= net::slab_pool::small || bytes <= held_memory_) return std::nullopt;
    auto& all = worker_.process().body_bytes;
    const std::size_t more = bytes - held_memory_;
    if (all.fetch_add(more, std::memory_order_relaxed) + more > snapshot_->shared->body_memory) {
        all.fetch_sub(more, std::memory_order_relaxed);
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

// Servers of kind openai go by `model` in the body alone. Some read names in any case of letters, so that a second
// one could choose another model than the route has allowed.
exchange::maybe_fault exchange::place_model(const http::json_query& q, std::size_t model) {
    if (!snapshot_->shared->has_openai) return std::nullopt;
    if (q[model].lookalike)
        return bad_request("The request body has the member \"model\" in other letters as well. Send it once.");
    if (q[model].present()) model_place_ = {q[model].offset, q[model].raw.size(), false};
    else model_place_ = {q.open_offset() + 1, 0, q.members() == 0};
    return std::nullopt;
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

// Looks into the JSON for the few members that decide something.
exchange::maybe_fault exchange::scan_body() {
    const auto& op = *classified_.op;
    if (!has_body_) return std::nullopt;
    http::json_query q;
    const auto stream = q.want("stream"), user = q.want("user");
    const bool named_here = op.name_place == core::name_place::body_model;
    const bool placed = op.name_place == core::name_place::path && snapshot_->shared->has_openai;
    const auto model = named_here || placed ? q.want("model") : stream;
    const bool responses = op.family == core::family::responses;
    const bool chats = op.family == core::family::chat || op.family == core::family::completions;
    const auto options = chats ? q.want("stream_options") : stream, most = chats ? q.want("max_tokens") : stream,
               most_completion = chats ? q.want("max_completion_tokens") : stream,
               choices = chats ? q.want("n") : stream, most_output = responses ? q.want("max_output_tokens") : stream;
    const auto previous = responses ? q.want("previous_response_id") : stream,
               conversation = responses ? q.want("conversation") : stream,
               background = responses ? q.want("background") : stream;
    std::array<std::size_t, 6> watched{};
    if (responses) {
        watched = {q.watch("file_id"),  q.watch("vector_store_ids"),  q.watch("container"),
                   q.watch("file_ids"), q.watch("encrypted_content"), q.watch("item_reference")};
    }
    if (const auto e = http::scan_json_object(body_, q); e != http::json_error::none)
        return fault{.code = "BadRequest",
                     .who = origin::client,
                     .status = 400,
                     .message = "The request body is no usable JSON object: " + std::string(http::describe(e)) +
                                " (at byte " + std::to_string(q.error_offset()) + ")."};
    streams_ = q[stream].is_true() && op.stream != core::stream_shape::none && op.stream != core::stream_shape::bytes;
    if (q[user].kind == http::json_kind::string) note_end_user(user_ = q[user].raw);
    const auto number = [&q](std::size_t at) {
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
    if (named_here || placed)
        if (auto f = place_model(q, model)) return f;
    if (named_here) {
        if (q[model].kind != http::json_kind::string)
            return fault{
                .code = "BadRequest",
                .who = origin::client,
                .status = 400,
                .message = "The member \"model\" with the name of a deployment is missing from the request body."};
        name_in_body_ = q[model].raw;
        std::array<char, 256> memory;
        const auto name =
            name_in_body_.size() <= memory.size() ? http::decode_json_string(name_in_body_, memory) : std::nullopt;
        if (!name || name->empty())
            return fault{.code = "BadRequest",
                         .who = origin::client,
                         .status = 400,
                         .message = "The member \"model\" is no usable deployment name."};
        deployment_ = *name;
    }
    if (!responses) return std::nullopt;
    core::response_state_flags flags;
    flags.previous_response_id = q[previous].present() && q[previous].kind != http::json_kind::null;
    flags.conversation = q[conversation].present() && q[conversation].kind != http::json_kind::null;
    flags.background = q[background].is_true();
    flags.file_id = q.watched(watched[0]).non_null + q.watched(watched[3]).non_null > 0;
    flags.vector_store_ids = q.watched(watched[1]).non_null > 0;
    flags.container = q.watched(watched[2]).non_null > 0;
    flags.encrypted_content = q.watched(watched[4]).non_null > 0;
    flags.item_reference = q.watched(watched[5]).non_null > 0;
    return core::stateful_reason(flags);
}

}  // namespace spillway::proxy
