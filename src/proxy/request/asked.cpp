#include <algorithm>
#include <array>

#include <spillway/base/text.hpp>
#include <spillway/http/target.hpp>

#include "request.hpp"

// What is asked for: by the path, and by the body.
namespace spillway::proxy {

maybe_fault request::read_path(std::string_view raw) {
    path = http::trim_slashes(raw);
    api_path = path;
    const auto& base = at_.door().from->base_path;
    if (!base.empty() && path.starts_with(base) && path.size() > base.size() && path[base.size()] == '/')
        api_path = http::trim_slashes(path.substr(base.size()));
    // A path without escapes, as nearly all are, has no escaped slash in a name.
    const bool escapes = api_path.find('%') != std::string_view::npos;
    const auto e = http::check_path(api_path, escapes ? core::name_in_path(api_path) : std::string_view{});
    if (e == http::path_error::none) return std::nullopt;
    return bad_request("The path is ambiguous: " + std::string(http::describe(e)));
}

maybe_fault request::classify() {
    const auto found = core::classify(scratch_->request.method, api_path);
    if (!found) return found.error();
    scratch_->upstream_what = *found;
    what = static_cast<const core::named_operation&>(*found);
    const auto& op = *what.op;
    if (op.role != core::object_role::none && !at_.config().tags) return core::operation_not_supported();
    if (op.method == "POST" && op.body != core::body_form::no_body && !body.exists())
        return bad_request("The request has no body. Send a JSON object.");
    // A stored response can be read as the stream that it was.
    if (op.method == "GET" && op.stream != core::stream_shape::none)
        terms.streams = http::find_param(query, "stream") == "true";
    if (op.name_place != core::name_place::path) return std::nullopt;
    std::array<char, 256> memory;
    const auto raw = what.deployment_raw;
    const auto name = raw.size() <= memory.size() ? http::decode_segment(raw, memory) : std::nullopt;
    if (!name || name->empty()) return bad_request("The deployment name in the path is no usable name.");
    deployment = *name;
    return std::nullopt;
}

terms_wanted request::wanted() const noexcept {
    const auto& c = at_.config();
    return {c.asks_usage(), c.has_openai, c.keeps_end_users(), c.counts_tokens, c.tags != nullptr};
}

maybe_fault request::read_terms() {
    if (!body.exists() || (body.empty() && what.op->body == core::body_form::no_body)) return std::nullopt;
    if (body.is_form()) return take_name(read_form(body, *what.op, terms, scratch_->marks));
    terms_reader reader(body.view(), *what.op, wanted());
    return take_name(reader.read(terms, scratch_->marks));
}

net::task<maybe_fault> request::read_long_terms() {
    if (body.is_form()) co_return take_name(read_form(body, *what.op, terms, scratch_->marks));
    terms_reader reader(body.view(), *what.op, wanted());
    net::turn turn;
    while (!reader.go_on()) {
        if (!turn.spent()) continue;
        const net::wake w = co_await net::yield(at_.worker.loop(), &at_.left());
        if (w == net::wake::interrupted) co_return request_body::client_left();
        turn.renew();
    }
    co_return take_name(reader.finish(terms, scratch_->marks));
}

// The body may have named the deployment.
maybe_fault request::take_name(maybe_fault f) {
    if (const auto& name = marks().deployment; !name.empty()) deployment = name;
    return f;
}

void request::measure_prompt() {
    if (!has_long_body() && !body.is_form()) terms.prompt_bytes = core::prompt_bytes(body.view());
}

}  // namespace spillway::proxy
