#include <algorithm>

#include <spillway/http/content_decoder.hpp>
#include <spillway/http/json_scan.hpp>
#include <spillway/proxy/exchange.hpp>

// What a request says about its body, and what the body says besides its model.
namespace spillway::proxy {
namespace {

// Decoded in one turn of the worker: about a millisecond.
constexpr std::size_t decoded_in_a_turn = 256 * 1024;
// What a small body may always become, and how many times its size a large one. Texts reach 10 to 50.
constexpr std::size_t free_expansion = std::size_t{1} << 20, most_expansion = 200;

fault unsupported(std::string_view code, std::string message) {
    return {.code = code, .who = origin::client, .status = 415, .message = std::move(message)};
}

fault unsupported_type(std::string message) { return unsupported("UnsupportedMediaType", std::move(message)); }

fault unsupported_coding(std::string_view what) {
    return unsupported("UnsupportedContentEncoding",
                       std::string(what) + " Send the body as it is, or encoded once, in gzip or zstd.");
}

fault of_type(http::content_error e) {
    switch (e) {
        case http::content_error::charset:
            return unsupported_type("The request body is in another character set. Send JSON in UTF-8.");
        case http::content_error::malformed:
            return unsupported_type("The field Content-Type is malformed. Send Content-Type: application/json.");
        default:
            return unsupported_type(
                "This operation takes JSON, and Content-Type says something else. Send Content-Type: "
                "application/json.");
    }
}

fault broken_coding(http::content_coding c) {
    return {.code = "BadRequest",
            .who = origin::client,
            .status = 400,
            .message = "The request body is not " + std::string(c == http::content_coding::gzip ? "gzip" : "zstd") +
                       ", or is damaged, though Content-Encoding says so."};
}

// Whichever pool of a split it is, the same instance serves.
bool leads_to_one_instance(const snapshot& s, const core::route_rule& route) {
    std::optional<std::size_t> only;
    for (const auto& share : route.pools)
        for (const auto& b : s.pools[share.pool].backends)
            if (std::exchange(only, b.instance).value_or(b.instance) != b.instance) return false;
    return true;
}

fault too_wide() {
    return {.code = "RequestTooLarge",
            .who = origin::client,
            .status = 413,
            .message =
                "The request body was encoded with a window above 8 MiB, the most that HTTP allows for zstd. "
                "Encode it with a smaller one."};
}

fault too_large_decoded(std::size_t limit) {
    return {.code = "RequestTooLarge",
            .who = origin::client,
            .status = 413,
            .message =
                "The request body is larger than " + std::to_string(limit) + " bytes once it is decoded. Send less."};
}

}  // namespace

// Whether everybody who reads the body will read the same: one type, one coding, one character set.
exchange::maybe_fault exchange::check_content() {
    if (!has_body_ || classified_.op->method != "POST") return std::nullopt;
    const auto& fields = scratch_->request.fields;
    if (fields.has(http::field_id::content_type)) {
        if (fields.count(http::field_id::content_type) > 1)
            return unsupported_type("The request carries Content-Type twice. Send it once.");
        const auto e = http::check_json_type(fields.value(http::field_id::content_type));
        if (e != http::content_error::none) return of_type(e);
    }
    if (!fields.has(http::field_id::content_encoding)) return std::nullopt;
    if (fields.count(http::field_id::content_encoding) > 1)
        return unsupported_coding("The request carries Content-Encoding twice.");
    coding_ = http::coding_of(fields.value(http::field_id::content_encoding));
    if (coding_ != http::content_coding::unknown) return std::nullopt;
    return unsupported_coding("This gateway does not know the body's Content-Encoding.");
}

// The body as it was before its client encoded it, which is how backends get it: names in it have to be read and
// rewritten. Bounded like a body that came so, and done in turns.
net::task<exchange::maybe_fault> exchange::decode_body() {
    const auto decoder = http::content_decoder::make(coding_);
    const auto limit = session_.from().limits.body_bytes;
    const std::size_t held = held_memory_;
    const std::size_t ratio_limit =
        body_.size() > limit / most_expansion ? limit : std::max(free_expansion, body_.size() * most_expansion);
    net::buffer plain(worker_.slabs());
    std::size_t at = 0, in_turn = 0;
    for (auto now = http::decoded::state::more; now != http::decoded::state::done;) {
        const std::size_t step = std::min(decoded_in_a_turn, std::max(net::slab_pool::small, plain.size()));
        if (auto f = hold_memory(held + plain.size() + step + decoder->memory())) co_return f;
        const auto room = plain.prepare(step).first(step);
        const auto d = decoder->step(body_.substr(at), room);
        at += d.consumed;
        plain.commit(d.produced);
        now = d.now;
        if (now == http::decoded::state::no_memory) throw std::bad_alloc();
        if (now == http::decoded::state::broken) co_return broken_coding(coding_);
        if (now == http::decoded::state::too_wide) co_return too_wide();
        if (plain.size() > std::min(limit, ratio_limit)) {
            worker_.stats().limits.at({worker_.label("body")}).add();
            co_return too_large_decoded(plain.size() > limit ? limit : ratio_limit);
        }
        in_turn += d.produced;
        if (in_turn < decoded_in_a_turn || now == http::decoded::state::done) continue;
        in_turn = 0;
        co_await net::yield(worker_.loop(), &session_.left());
        if (session_.left().fired()) co_return body_read_fault({net::io_status::interrupted, 0});
    }
    scratch_->body.swap(plain);
    body_ = scratch_->body.view();
    co_return std::nullopt;
}

exchange::maybe_fault exchange::read_model(const http::json_member& model) {
    if (!model.present())
        return bad_request("The member \"model\" with the name of a deployment is missing from the request body.");
    if (model.kind != http::json_kind::string)
        return bad_request("The member \"model\" of the request body has to be a string, the name of a deployment.");
    name_in_body_ = model.raw;
    std::array<char, 256> memory;
    const auto name =
        name_in_body_.size() <= memory.size() ? http::decode_json_string(name_in_body_, memory) : std::nullopt;
    if (!name || name->empty()) return bad_request("The member \"model\" is no usable deployment name.");
    deployment_ = *name;
    return std::nullopt;
}

// Whether the route that serves, and the client's other routes, allow what the body names.
exchange::maybe_fault exchange::check_needs(core::route_query q) {
    if (!needs_.any()) return std::nullopt;
    const auto& shared = *snapshot_->shared;
    if (needs_.too_many) return core::too_many_deployments();
    if (needs_.own_data && !shared.route_takes_own_data[*route_]) return core::own_data_not_allowed();
    for (const auto& d : needs_.deployments) {
        q.operation = static_cast<std::size_t>(d.family);
        q.deployment = d.name;
        if (!shared.router.find(q, scratch_->request.fields, worker_.random())) return no_route(d.name);
    }
    if (!needs_.reasoning.empty() && !leads_to_one_instance(shared, shared.router.rules()[*route_]))
        return core::reasoning_of_one_instance(needs_.reasoning);
    return std::nullopt;
}

}  // namespace spillway::proxy
