#include <spillway/proxy/exchange.hpp>

#include <algorithm>

#include <spillway/core/header_rules.hpp>
#include <spillway/core/told_time.hpp>
#include <spillway/core/usage.hpp>
#include <spillway/http/target.hpp>

namespace spillway::proxy {
namespace {

bool usable_request_id(std::string_view id) noexcept {
    if (id.empty() || id.size() > 64) return false;
    for (const char c : id)
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
              c == '.'))
            return false;
    return true;
}

fault fault_of(http::head_error e) {
    return {.code = "BadRequest",
            .who = origin::client,
            .status = http::status_of(e),
            .message = std::string(http::describe(e))};
}

}  // namespace

fault exchange::bad_request(std::string message) {
    return {.code = "BadRequest", .who = origin::client, .status = 400, .message = std::move(message)};
}

void scratch::clear() noexcept {
    body.reset();
    out.reset();
    answer.reset();
    target.clear();
    start.clear();
    if (start.capacity() > 4096) start = std::string();
    request.fields.clear();
}

exchange::exchange(session& s) : session_(s), worker_(s.owner()), snapshot_(worker_.current()) {}

exchange::~exchange() {
    drop_connection();
    leave_attempts();
    settle_quotas({}, clock::now());
    release_scratch();
    release_memory();
    release_prompt();
}

// From here to relay() the request's views point into the session's input and into the scratch.
net::task<bool> exchange::run() {
    scratch_ = worker_.take_scratch();
    const head_state head = co_await read_head();
    if (head == head_state::nothing) co_return false;
    began_ = clock::now();
    usage_.began_wall = wall_clock::now();
    worker_.stats().requests_active.add();
    bool again = false, threw = false;
    try {
        again = head == head_state::refused ? co_await refuse(refusal_) : co_await serve();
    } catch (const std::exception& e) {
        threw = true;
        worker_.alarm(std::string("an exchange ended by an exception: ") + e.what());
    }
    if (threw) {
        worker_.stats().exceptions.add();
        again = false;
        co_await answer_exception();
    }
    leave_attempts();
    account();
    worker_.stats().requests_active.sub(1);
    wipe_client_secrets();
    if (again) session_.input().consume(std::min(input_used_, session_.input().size()));
    co_return again;
}

net::task<bool> exchange::serve() {
    maybe_fault f = understand();
    if (f) co_return co_await refuse(*f);
    if (is_local_path()) co_return co_await local_service();
    f = check_door();
    // Browsers send no key with OPTIONS, and the answer tells nothing that the documentation does not.
    if (!f && scratch_->request.method == "OPTIONS") co_return co_await answer_options();
    if (!f) {
        f = identify();
        if (f && waits_for_keys_) f = co_await identify_with_fresh_keys(std::move(*f));
        count_authentication();
        if (f && f->status == 401) co_await slow_down();
    }
    // Only who is known leaves traces: nobody else can fill the queue of spans.
    if (!f && snapshot_->shared->tracer) begin_trace();
    if (!f) f = classify();
    if (!f) f = check_content();
    if (f) co_return co_await refuse(*f);
    if (classified_.op->family == core::family::models) co_return co_await list_models();
    if (body_is_here()) {
        count_received(body_.size());
    } else {
        if (!co_await enter()) co_return co_await refuse_limited();
        f = co_await read_body();
    }
    if (!f) usage_.bytes_in = head_bytes_ + body_.size();
    if (!f && coding_ != http::content_coding::identity) f = co_await decode_body();
    const bool long_body = is_long_body();
    if (!f && long_body) f = co_await scan_long_body();
    else if (!f) f = scan_body();
    if (!f) f = find_route();
    if (f) {
        if (f->status == 499) co_return lost_client();
        // A body that came too slowly has had what a request takes.
        if (f->status != 408) give_back_quotas();
        co_return co_await refuse_until(*f, usage_.refusal_wait, std::nullopt);
    }
    if (snapshot_->shared->counts_tokens && !long_body) usage_.prompt_bytes = core::prompt_bytes(body_);
    const auto& c = snapshot_->shared->clients[*client_];
    usage_.has_rate = c.has_rate || (!c.pool_rates.empty() && c.pool_rates[*pool_]);
    if (snapshot_->shared->captures[*route_] != config::capture_what::none) capture_prompt();
    if (is_limited() && !co_await admit()) co_return co_await refuse_limited();
    co_return co_await run_attempts();
}

net::task<bool> exchange::refuse_limited() {
    const std::optional<bool> worth_it = refusal_.status == 403 ? std::optional(false) : std::nullopt;
    co_return co_await refuse_until(refusal_, usage_.refusal_wait, worth_it);
}

net::task<exchange::head_state> exchange::read_head() {
    const auto& limits = session_.from().limits;
    auto& in = session_.input();
    std::size_t seen = 0;
    const time_point until = worker_.now() + limits.head_timeout;
    for (;;) {
        head_bytes_ = http::find_head_end(in.view(), seen);
        if (head_bytes_ != http::npos) break;
        seen = in.size();
        const auto too_large = seen >= limits.head_bytes;
        net::io_result r;
        if (!too_large) {
            const auto room = in.prepare(seen == 0 ? net::slab_pool::small : 1024);
            r = session_.client().try_read(room);
            if (r.waits()) r = co_await session_.client().read_some(room, until, &session_.left());
            if (r.ok()) {
                in.commit(r.bytes);
                continue;
            }
        }
        head_bytes_ = in.size();
        request_read_ = true;
        if (!too_large && (in.empty() || r.status != net::io_status::timed_out)) co_return head_state::nothing;
        if (too_large) {
            refuse_head(fault_of(http::oversize_error(in.view())));
        } else {
            worker_.stats().limits.at({worker_.label("head_timeout")}).add();
            refuse_head({.code = "RequestTimeout",
                         .who = origin::client,
                         .status = 408,
                         .message = "The request's head did not arrive in time. Send it again."});
        }
        co_return head_state::refused;
    }
    const http::head_limits parse_limits{limits.head_bytes, limits.header_fields, 8192};
    const auto error = http::parse_request(in.view().substr(0, head_bytes_), parse_limits, scratch_->request);
    if (error == http::head_error::none) co_return head_state::complete;
    request_read_ = true;
    refuse_head(fault_of(error));
    co_return head_state::refused;
}

// What the head says about the message itself.
exchange::maybe_fault exchange::understand() {
    const auto& head = scratch_->request;
    client_minor_ = static_cast<std::uint8_t>(head.minor_version);
    keep_client_ = head.keep_alive;
    head_request_ = head.method == "HEAD";
    method_ = head_request_              ? "HEAD"
              : head.method == "POST"    ? "POST"
              : head.method == "GET"     ? "GET"
              : head.method == "OPTIONS" ? "OPTIONS"
                                         : "";
    expects_continue_ = head.expect_continue;
    has_body_ = head.body != http::body_kind::none;
    request_body_ = http::body_scanner(head);
    count_received(head_bytes_);
    find_client_address();
    const auto given = head.fields.value(http::field_id::x_request_id);
    if (usable_request_id(given)) set_request_id(given);
    else make_request_id();
    const auto target = http::split_target(head.target);
    query_ = target.query;
    if (session_.from().cors) find_origin();
    if (auto f = read_path(target.path)) return f;
    for (const auto name : http::secret_params)
        if (http::find_param(query_, name)) {
            query_kept_ = http::remove_params(query_, http::secret_params);
            query_ = query_kept_;
            break;
        }
    return std::nullopt;
}

// Behind trusted proxies the client is the last address of X-Forwarded-For that is not one of them: what stands
// before it came from the client and may be made up.
void exchange::find_client_address() {
    const auto& trusted = session_.from().trusted_proxies;
    const auto is_trusted = [&](const net::address& a) {
        return std::any_of(trusted.begin(), trusted.end(), [&](const net::network& n) { return n.contains(a); });
    };
    if (trusted.empty() || !is_trusted(session_.peer())) return;
    const auto& fields = scratch_->request.fields;
    // Front Door always writes this one itself, so behind its lock nobody else can have made it up.
    if (!session_.from().front_doors.empty() && fields.count(http::field_id::x_azure_clientip) == 1) {
        if (const auto told = net::address::parse_forwarded(fields.value(http::field_id::x_azure_clientip))) {
            client_address_ = told->ip();
            return;
        }
    }
    for (std::size_t i = fields.size(); i-- > 0;) {
        if (fields[i].id != http::field_id::x_forwarded_for) continue;
        for (std::string_view rest = fields[i].value; !rest.empty();) {
            const auto comma = rest.rfind(',');
            auto one = text::trim(comma == std::string_view::npos ? rest : rest.substr(comma + 1));
            rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(0, comma);
            const auto parsed = net::address::parse_forwarded(one);
            if (!parsed) return;
            client_address_ = parsed->ip();
            if (!is_trusted(*parsed)) return;
        }
    }
}

void exchange::set_request_id(std::string_view id) noexcept {
    request_id_size_ = static_cast<std::uint8_t>(std::min(id.size(), request_id_.size()));
    std::copy_n(id.data(), request_id_size_, request_id_.data());
}

void exchange::make_request_id() noexcept {
    constexpr char digits[] = "0123456789abcdef";
    std::size_t n = 0;
    for (int half = 0; half < 2; ++half) {
        std::uint64_t bits = worker_.random().next();
        for (int i = 0; i < 16; ++i, bits >>= 4) request_id_[n++] = digits[bits & 15];
    }
    request_id_size_ = 32;
}

exchange::maybe_fault exchange::classify() {
    const auto found = core::classify(scratch_->request.method, api_path_);
    if (!found) return found.error();
    classified_ = *found;
    const auto& op = *classified_.op;
    stream_family_ =
        op.family == core::family::responses ? http::stream_family::responses : http::stream_family::chat;
    if (op.method == "POST" && !has_body_) return bad_request("The request has no body. Send a JSON object.");
    if (op.name_place != core::name_place::path) return std::nullopt;
    std::array<char, 256> memory;
    const auto raw = classified_.deployment_raw;
    const auto name = raw.size() <= memory.size() ? http::decode_segment(raw, memory) : std::nullopt;
    if (!name || name->empty()) return bad_request("The deployment name in the path is no usable name.");
    deployment_ = *name;
    return std::nullopt;
}

exchange::maybe_fault exchange::find_route() {
    const auto& shared = *snapshot_->shared;
    core::route_query q;
    q.client = *client_;
    q.client_name = shared.clients[*client_].name;
    q.user = user_;
    q.operation = core::operation_index(*classified_.op);
    q.deployment = deployment_;
    const auto match = shared.router.find(q, scratch_->request.fields, worker_.random());
    if (!match) return no_route(deployment_);
    if (auto f = check_other_names(q)) return f;
    route_ = match->route;
    pool_ = match->pool;
    if (auto f = check_needs(q)) return f;
    if (!shared.route_passes_token[*route_]) {
        if (!passthrough_only_) return std::nullopt;
        return fault{.code = "TokenForAzure",
                     .who = origin::client,
                     .status = 403,
                     .message =
                         "The token was made for Azure itself, and this route passes no token on. Ask for one "
                         "with the gateway's own scope."};
    }
    passes_token_ = true;
    if (auth_method_ == "token") return std::nullopt;
    return fault{.code = "TokenRequired",
                 .who = origin::client,
                 .status = 403,
                 .message =
                     "This route passes the caller's own Entra token on, and the request carries none. Send "
                     "one as Authorization: Bearer."};
}

// A deployment that is named beside the proper place, in a header or in the query, is asked for as well: it needs a
// route like the one that serves. Backends never see such names; which deployment serves is the gateway's choice.
exchange::maybe_fault exchange::check_other_names(core::route_query q) {
    const auto& router = snapshot_->shared->router;
    const auto& fields = scratch_->request.fields;
    const auto allowed = [&](std::string_view name) {
        q.deployment = name;
        return router.find(q, fields, worker_.random()).has_value();
    };
    for (const auto& f : fields)
        if (core::names_deployment(f.name) && !allowed(f.value)) return no_route(f.value);
    if (query_.empty()) return std::nullopt;
    http::query_param p;
    bool found = false;
    std::string rest;
    for (http::query_cursor c(query_); c.next(p);) {
        if (!core::param_names_deployment(p.name)) {
            rest.append(rest.empty() ? "" : "&").append(p.whole);
            continue;
        }
        found = true;
        std::array<char, 256> memory;
        const auto value = p.value.size() <= memory.size() ? http::decode_segment(p.value, memory) : std::nullopt;
        if (!value || !allowed(*value)) return no_route(value.value_or("?"));
    }
    if (found) {
        query_kept_ = std::move(rest);
        query_ = query_kept_;
    }
    return std::nullopt;
}

fault exchange::no_route(std::string_view deployment) const {
    const auto& shared = *snapshot_->shared;
    if (!shared.hide_existence && shared.router.knows(deployment))
        return fault{.code = "DeploymentForbidden",
                     .who = origin::client,
                     .status = 403,
                     .message =
                         "This client has no route to that deployment for this operation. Ask the platform "
                         "team for one."};
    return fault{.code = "DeploymentNotFound",
                 .who = origin::client,
                 .status = 404,
                 .message =
                     "The deployment does not exist for this client and operation. Check the name, or ask the "
                     "platform team for a route."};
}

void exchange::release_scratch() noexcept {
    if (scratch_) worker_.give_scratch(std::move(scratch_));
}

// An open stream holds nothing of its request: no view into it is used after the answer's head.
void exchange::release_request() noexcept {
    wipe_client_secrets();
    keep_prompt();
    release_scratch();
    path_ = api_path_ = cors_origin_ = query_ = body_ = name_in_body_ = user_ = {};
    auto& in = session_.input();
    in.consume(std::min(input_used_, in.size()));
    input_used_ = 0;
    if (in.empty()) in.reset();
    release_memory();
}

void exchange::release_prompt() noexcept {
    const auto bytes = std::exchange(usage_.prompt_held, 0);
    if (bytes == 0) return;
    worker_.process().body_bytes.fetch_sub(bytes, std::memory_order_relaxed);
    snapshot_->shared->clients[*client_].body_bytes->fetch_sub(bytes, std::memory_order_relaxed);
}

void exchange::release_memory() noexcept {
    if (held_memory_ == 0) return;
    worker_.process().body_bytes.fetch_sub(held_memory_, std::memory_order_relaxed);
    snapshot_->shared->clients[*client_].body_bytes->fetch_sub(held_memory_, std::memory_order_relaxed);
    worker_.stats().body_memory.sub(held_memory_);
    held_memory_ = 0;
}

bool exchange::served_by_headers() const noexcept {
    return client_ && snapshot_->shared->clients[*client_].served_by_headers;
}

}  // namespace spillway::proxy
