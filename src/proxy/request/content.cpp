#include <algorithm>
#include <new>

#include <spillway/http/content_decoder.hpp>
#include <spillway/http/multipart.hpp>

#include "body.hpp"

// What a request says about its body: type and coding.
namespace spillway::proxy {
namespace {

// Decoded in one turn of the worker: about a quarter of a millisecond.
constexpr std::size_t decoded_in_a_turn = 64 * 1024;
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

maybe_fault request_body::check_content(core::body_form wanted) {
    if (!exists_) return std::nullopt;
    const auto& fields = scratch_->request.fields;
    const bool form = wanted == core::body_form::form || wanted == core::body_form::either;
    if (fields.has(http::field_id::content_type)) {
        if (fields.count(http::field_id::content_type) > 1)
            return unsupported_type("The request carries Content-Type twice. Send it once.");
        if (form)
            scratch_->boundary = http::multipart_boundary(fields.value(http::field_id::content_type)).value_or("");
        form_ = !scratch_->boundary.empty();
    }
    if (wanted == core::body_form::form && !form_)
        return unsupported_type(
            "This operation takes a form. Send Content-Type: multipart/form-data with a boundary.");
    if (!form_ && fields.has(http::field_id::content_type)) {
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

net::task<maybe_fault> request_body::decode() {
    const auto decoder = http::content_decoder::make(coding_);
    const auto limit = at_.door().from->limits.body;
    const std::size_t held = memory_.held();
    const std::size_t ratio_limit =
        bytes_.size() > limit / most_expansion ? limit : std::max(free_expansion, bytes_.size() * most_expansion);
    net::buffer plain(at_.worker.slabs());
    std::size_t at = 0, in_turn = 0;
    for (auto now = http::decoded::state::more; now != http::decoded::state::done;) {
        const std::size_t step = std::min(decoded_in_a_turn, std::max(net::slab_pool::small, plain.size()));
        if (auto f = hold(held + plain.size() + step + decoder->memory())) co_return f;
        const auto room = plain.prepare(step).first(step);
        const auto d = decoder->step(bytes_.substr(at), room);
        at += d.consumed;
        plain.commit(d.produced);
        now = d.now;
        if (now == http::decoded::state::no_memory) throw std::bad_alloc();
        if (now == http::decoded::state::broken) co_return broken_coding(coding_);
        if (now == http::decoded::state::too_wide) co_return too_wide();
        if (plain.size() > std::min(limit, ratio_limit)) {
            at_.worker.stats().limits.at({at_.worker.label("body")}).add();
            co_return too_large_decoded(plain.size() > limit ? limit : ratio_limit);
        }
        in_turn += d.produced;
        if (in_turn < decoded_in_a_turn || now == http::decoded::state::done) continue;
        in_turn = 0;
        co_await net::yield(at_.worker.loop(), &at_.left());
        if (at_.left().fired()) co_return client_left();
    }
    scratch_->body.swap(plain);
    bytes_ = scratch_->body.view();
    co_return std::nullopt;
}

}  // namespace spillway::proxy
