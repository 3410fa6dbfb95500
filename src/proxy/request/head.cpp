#include <algorithm>
#include <exception>

#include <string.h>

#include <spillway/base/text.hpp>
#include <spillway/core/identity.hpp>
#include <spillway/http/target.hpp>

#include "request.hpp"

// The head: how it comes in, and what it says about the message itself.
namespace spillway::proxy {
namespace {

constexpr std::size_t longest_start_line = 8192;

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

fault bad_request(std::string message) {
    return {.code = "BadRequest", .who = origin::client, .status = 400, .message = std::move(message)};
}

void request::take_memory() { scratch_ = at_.worker.take_scratch(); }

void request::begin() noexcept {
    began = clock::now();
    began_wall = wall_clock::now();
}

void request::give_back_memory() noexcept {
    if (scratch_) at_.worker.give_scratch(std::move(scratch_));
}

net::task<request::arrival> request::read_head() {
    take_memory();
    const auto& limits = at_.door().from->limits;
    auto& in = at_.connection.input();
    std::size_t seen = 0, head_bytes = 0;
    const time_point until = at_.worker.now() + limits.head_timeout;
    for (;;) {
        head_bytes = http::find_head_end(in.view(), seen);
        if (head_bytes != http::npos) break;
        seen = in.size();
        const auto too_large = seen >= limits.head;
        net::io_result r;
        if (!too_large) {
            const auto room = in.prepare(seen == 0 ? net::slab_pool::small : 1024);
            r = at_.connection.client().try_read(room);
            if (r.waits()) r = co_await at_.connection.client().read_some(room, until, &at_.left());
            if (r.ok()) {
                in.commit(r.bytes);
                continue;
            }
        }
        body.give_up();
        if (!too_large && (in.empty() || r.status != net::io_status::timed_out)) co_return arrival::nothing;
        begin();
        if (too_large) {
            refuse_head(fault_of(http::oversize_error(in.view())));
        } else {
            at_.worker.stats().limits.at({at_.worker.label("head_timeout")}).add();
            refuse_head({.code = "RequestTimeout",
                         .who = origin::client,
                         .status = 408,
                         .message = "The request's head did not arrive in time. Send it again."});
        }
        co_return arrival::refused;
    }
    const http::head_limits parse_limits{limits.head, limits.headers, longest_start_line};
    const auto error = http::parse_request(in.view().substr(0, head_bytes), parse_limits, scratch_->request);
    begin();
    if (error == http::head_error::none) {
        body.expect(*scratch_, head_bytes);
        co_return arrival::complete;
    }
    body.give_up();
    refuse_head(fault_of(error));
    co_return arrival::refused;
}

// What the head says about the message itself.
maybe_fault request::understand() {
    const auto& head = scratch_->request;
    minor = static_cast<std::uint8_t>(head.minor_version);
    keeps = head.keep_alive;
    head_only = head.method == "HEAD";
    method = head_only                  ? "HEAD"
             : head.method == "POST"    ? "POST"
             : head.method == "GET"     ? "GET"
             : head.method == "OPTIONS" ? "OPTIONS"
                                        : "";
    find_client_address();
    const auto given = head.fields.value(http::field_id::x_request_id);
    if (usable_request_id(given)) set_id(given);
    else make_id();
    const auto target = http::split_target(head.target);
    query = target.query;
    if (at_.door().cors) find_origin();
    if (auto f = read_path(target.path)) return f;
    for (const auto name : http::secret_params)
        if (http::find_param(query, name)) {
            scratch_->query = http::remove_params(query, http::secret_params);
            query = scratch_->query;
            break;
        }
    return std::nullopt;
}

// Behind trusted proxies the client is the last address of X-Forwarded-For that is not one of them: what stands
// before it came from the client and may be made up.
void request::find_client_address() {
    const auto& trusted = at_.door().trusted_proxies;
    const auto is_trusted = [&](const net::address& a) {
        return std::any_of(trusted.begin(), trusted.end(), [&](const net::network& n) { return n.contains(a); });
    };
    if (trusted.empty() || !is_trusted(at_.connection.peer())) return;
    const auto& all = fields();
    // Front Door always writes this one itself, so behind its lock no client can have made it up.
    if (!at_.door().from->front_door.ids.empty() && all.count(http::field_id::x_azure_clientip) == 1) {
        if (const auto told = net::address::parse_forwarded(all.value(http::field_id::x_azure_clientip))) {
            client_address = told->ip();
            return;
        }
    }
    for (std::size_t i = all.size(); i-- > 0;) {
        if (all[i].id != http::field_id::x_forwarded_for) continue;
        for (std::string_view rest = all[i].value; !rest.empty();) {
            const auto comma = rest.rfind(',');
            auto one = text::trim(comma == std::string_view::npos ? rest : rest.substr(comma + 1));
            rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(0, comma);
            const auto parsed = net::address::parse_forwarded(one);
            if (!parsed) return;
            client_address = parsed->ip();
            if (!is_trusted(*parsed)) return;
        }
    }
}

void request::set_id(std::string_view id) noexcept {
    id_size_ = static_cast<std::uint8_t>(std::min(id.size(), id_.size()));
    std::copy_n(id.data(), id_size_, id_.data());
}

void request::make_id() noexcept {
    constexpr char digits[] = "0123456789abcdef";
    std::size_t n = 0;
    for (int half = 0; half < 2; ++half) {
        std::uint64_t bits = at_.worker.random().next();
        for (int i = 0; i < 16; ++i, bits >>= 4) id_[n++] = digits[bits & 15];
    }
    id_size_ = 32;
}

void request::find_origin() {
    const auto& all = fields();
    const auto given = all.value(http::field_id::origin);
    if (all.count(http::field_id::origin) == 1 && at_.door().cors->admits(given)) cors_origin = given;
}

// No field of such a head is believed, not even its request id.
void request::refuse_head(fault why) {
    if (why.status == 431 || why.status == 414) at_.worker.stats().limits.at({at_.worker.label("head")}).add();
    refusal_ = std::make_unique<fault>(std::move(why));
    wipe_secrets();
    make_id();
    note_start_line();
}

// What the log can tell of a head that could not be read: method and path, as far as they are there.
void request::note_start_line() {
    auto line = at_.connection.input().view();
    while (line.starts_with("\r\n")) line.remove_prefix(2);
    line = line.substr(0, line.find_first_of("\r\n"));
    const auto blank = line.find(' ');
    const auto word = line.substr(0, blank);
    constexpr std::size_t longest = 16;
    const bool is_word = !word.empty() && word.size() <= longest &&
                         std::all_of(word.begin(), word.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    scratch_->request.method = is_word ? word : std::string_view{};
    path = {};
    if (!is_word || blank == std::string_view::npos) return;
    head_only = word == "HEAD";
    const auto target = line.substr(blank + 1);
    if (target.starts_with('/')) path = http::split_target(target.substr(0, target.find(' '))).path;
}

void request::wipe_secrets() noexcept {
    if (!scratch_) return;
    auto& all = scratch_->request.fields;
    for (const auto& f : all)
        if ((http::flags_of(f.id) & http::field_flag::secret) != 0 && !f.value.empty())
            ::explicit_bzero(const_cast<char*>(f.value.data()), f.value.size());
    all.clear();
}

void request::release() noexcept {
    wipe_secrets();
    give_back_memory();
    path = api_path = cors_origin = query = {};
    body.release();
}

}  // namespace spillway::proxy
