#include "upstream_request.hpp"

#include <string.h>

#include <array>

#include <spillway/core/header_rules.hpp>
#include <spillway/http/target.hpp>
#include <spillway/http/writer.hpp>

namespace spillway::proxy {

bool upstream_request::compose(const backend& b, const proof& by, std::string_view traceparent) {
    auto& s = asked_.memory();
    const instance& i = at_.config().instances[b.instance];
    s.out.clear();
    s.target.clear();
    asks_usage_ = may_ask_usage(b);
    cut_body(b);
    core::append_upstream_target(s.target, plan::what(asked_), i.path_prefix, b.deployment, plan_.query_of(asked_),
                                 i.pinned_api_version, i.kind);
    std::size_t extra = 0;
    for (const auto& [name, value] : i.extra_fields) extra += name.size() + value.size() + 4;
    // Only what is known to be allowed goes out, so this is an upper bound: the client's head and our own fields.
    http::head_writer w(s.out.prepare(asked_.body.head_bytes() + s.target.size() + i.host_field.size() +
                                      by.name.size() + by.value.size() + extra + 512));
    w.request_line(s.request.method, s.target);
    w.field(http::field_id::host, i.host_field);
    const auto proof_begin = static_cast<std::uint32_t>(w.written().size());
    if (!by.name.empty()) w.field(by.name, by.value);
    const auto proof_end = static_cast<std::uint32_t>(w.written().size());
    for (const auto& [name, value] : i.extra_fields) w.field(name, value);
    core::outgoing_fields allowed(i.kind);
    for (const auto& f : s.request.fields)
        if (allowed.admits(f.id, f.name) && !s.request.connection_names(f) &&
            !(!traceparent.empty() && f.id == http::field_id::traceparent))
            w.field(f.name, f.value);
    if (!traceparent.empty()) w.field(http::field_id::traceparent, traceparent);
    if (i.kind == config::instance_kind::openai) w.field("x-client-request-id", asked_.id());
    else if (!s.request.fields.has(http::field_id::x_ms_client_request_id))
        w.field(http::field_id::x_ms_client_request_id, asked_.id());
    // A body was read as JSON, so the backend shall read it as nothing else.
    if (asked_.body.exists() && !s.request.fields.has(http::field_id::content_type))
        w.field(http::field_id::content_type, "application/json");
    // The gateway reads events and usage in passing; the backend must not compress.
    w.field(http::field_id::accept_encoding, "identity");
    if (asked_.body.passes() && asked_.body.is_chunked()) w.field(http::field_id::transfer_encoding, "chunked");
    else if (asked_.body.exists())
        w.field(http::field_id::content_length, asked_.body.passes() ? asked_.body.length() : body_bytes());
    w.end();
    if (!w.ok()) {
        ::explicit_bzero(const_cast<char*>(w.written().data()), w.written().size());
        return false;
    }
    s.out.commit(w.written().size());
    proof_in_out_ = {proof_begin, proof_end - proof_begin};
    return true;
}

// Whether this backend is to tell the usage of a stream whose client did not ask. Older versions of the API refuse
// it.
bool upstream_request::may_ask_usage(const backend& b) const noexcept {
    if (!asked_.marks().may_ask) return false;
    const instance& on = at_.config().instances[b.instance];
    const auto& pinned = on.pinned_api_version;
    if (asked_.what.op->generation == core::generation::v1 || on.kind == config::instance_kind::openai) return true;
    const auto version = http::find_param(plan_.query_of(asked_), "api-version");
    return http::usage_can_be_asked(!pinned.empty() ? std::string_view(pinned) : version.value_or(""));
}

// The body with the backend's own name where the client's stood, with the question for usage, and without the tags of
// ids; every other byte as it came.
void upstream_request::cut_body(const backend& b) {
    struct edit {
        std::size_t at{0}, removed{0};
        std::string_view put;
    };
    std::array<edit, 2> edits;
    std::size_t n = 0;
    if (const auto name = model_edit(b); !name.inserted.empty())
        edits[n++] = {name.offset, name.removed, name.inserted};
    if (asks_usage_)
        edits[n++] = {asked_.marks().ask.offset, asked_.marks().ask.removed, asked_.marks().ask.inserted};
    if (n == 2 && edits[1].at < edits[0].at) std::swap(edits[0], edits[1]);
    auto& s = asked_.memory();
    s.pieces.clear();
    const auto body = asked_.body.view();
    std::size_t from = 0, cut = 0;
    const auto pass_to = [&](std::size_t to) {
        for (; cut < s.id_edits.size() && s.id_edits[cut].at < to; ++cut) {
            s.pieces.push_back(body.substr(from, s.id_edits[cut].at - from));
            from = s.id_edits[cut].at + s.id_edits[cut].removed;
        }
        if (to > from) s.pieces.push_back(body.substr(from, to - from));
    };
    for (std::size_t i = 0; i < n; ++i) {
        pass_to(edits[i].at);
        s.pieces.push_back(edits[i].put);
        from = edits[i].at + edits[i].removed;
    }
    pass_to(body.size());
}

// What puts the backend's own name into the body: in the place of the client's, or of a `model` that counts for
// nothing on dated paths, or as a member of its own. At the front of the body, where the question for usage may be
// put as well, each of the two brings its comma.
http::usage_edit upstream_request::model_edit(const backend& b) const noexcept {
    if (!asked_.marks().name_in_body.empty())
        return {static_cast<std::size_t>(asked_.marks().name_in_body.data() - asked_.body.view().data()),
                asked_.marks().name_in_body.size(), asked_.marks().name_is_plain ? b.deployment : b.model_json};
    if (at_.config().instances[b.instance].kind != config::instance_kind::openai) return {};
    std::string_view put = asked_.marks().model_place.removed > 0 ? b.model_json : b.model_member;
    if (asked_.marks().model_place.removed == 0 && asked_.marks().model_place.alone) put.remove_suffix(1);
    return {asked_.marks().model_place.at, asked_.marks().model_place.removed, put};
}

std::size_t upstream_request::body_bytes() const noexcept {
    std::size_t n = 0;
    for (const auto piece : body()) n += piece.size();
    return n;
}

void upstream_request::wipe_proof() noexcept {
    const auto sent = asked_.memory().out.view();
    const auto [at, size] = std::exchange(proof_in_out_, {});
    if (at + size <= sent.size()) ::explicit_bzero(const_cast<char*>(sent.data()) + at, size);
}

}  // namespace spillway::proxy
