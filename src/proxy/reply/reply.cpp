#include "reply.hpp"

#include <algorithm>
#include <chrono>
#include <string>

#include <spillway/http/content_decoder.hpp>
#include <spillway/http/local_reply.hpp>

namespace spillway::proxy {
namespace {

void append_wait(std::string& out, const fault& f) {
    if (f.wait > duration::zero()) {
        const wait_figures wait(f.wait);
        out += "retry-after: " + std::to_string(wait.seconds) + "\r\nretry-after-ms: " + std::to_string(wait.ms) +
               "\r\n";
    }
    if (f.should_retry) out += *f.should_retry ? "x-should-retry: true\r\n" : "x-should-retry: false\r\n";
}

}  // namespace

net::task<bool> reply::refuse(const fault& f) {
    at_.worker.stats().local_replies.at({at_.worker.label(f.code)}).add();
    sent_.answers_itself(f.code, f.who);
    std::string body, fields;
    http::append_error_body(body, f.code, f.message, http::error_type_of(f.status));
    if (f.status == 405)
        fields.append("allow: ")
            .append(asked_.is_probe ? "GET, HEAD" : core::allowed_methods(asked_.api_path))
            .append("\r\n");
    if (f.code == "UnsupportedContentEncoding")
        fields.append("accept-encoding: ").append(http::taken_codings).append("\r\n");
    append_wait(fields, f);
    co_return co_await send(f.status, "application/json", body, fields);
}

// `extra_fields` are whole lines made by us.
net::task<bool> reply::send(int status, std::string_view content_type, std::string_view body,
                            std::string_view extra_fields) {
    sent_.has_status(status);
    if (!asked_.body.is_read()) co_await asked_.body.drain();
    auto& out = asked_.memory().out;
    out.clear();
    http::head_writer w(out.prepare(2048));
    w.status_line(status);
    if (status != 204) {
        w.field(http::field_id::content_type, content_type);
        w.field(http::field_id::content_length, body.size());
    }
    if (status == 401)
        w.field(http::field_id::www_authenticate, by_.method == "token"
                                                      ? "Bearer realm=\"spillway\", error=\"invalid_token\""
                                                      : "Bearer realm=\"spillway\", ApiKey");
    write_own_fields(w, false, false);
    permit_.write_rate_fields(w);
    out.commit(w.written().size());
    out.append(extra_fields);
    out.append("\r\n");
    if (!asked_.head_only) out.append(body);
    sent_.begins();
    const net::io_result r =
        co_await at_.connection.client().write_all(out.view(), at_.write_deadline(), &at_.left());
    if (!r.ok()) co_return lost_client();
    sent_.sends(out.size());
    co_return keeps_;
}

void reply::write_own_fields(http::head_writer& w, bool has_request_id, bool closes) {
    if (!has_request_id) w.field(http::field_id::x_request_id, asked_.id());
    const bool draining = at_.connection.draining() || at_.worker.process().draining.load(std::memory_order_relaxed);
    keeps_ = asked_.keeps && asked_.body.in_step() && !draining && !closes;
    if (!keeps_) w.field(http::field_id::connection, "close");
    else if (asked_.minor == 0) w.field(http::field_id::connection, "keep-alive");
    if (at_.door().cors) write_cors_fields(w);
    if (!plan_.pool || !tells_who_served()) return;
    w.field("x-spillway-pool", plan_.pool_of().name);
    if (const auto* b = attempts_.serving(); b != nullptr && !sent_.is_local()) {
        w.field("x-spillway-backend", b->name);
        const auto& region = attempts_.instance_of(*b).region;
        if (!region.empty()) w.field("x-spillway-region", region);
    }
    w.field("x-spillway-attempts", attempts_.count());
}

bool reply::tells_who_served() const noexcept {
    return by_.client && at_.config().clients[*by_.client].served_by_headers;
}

bool reply::lost_client() noexcept {
    // Some SDKs hang up when they have the last event: they have got all that they asked for.
    if (!pipe_.terminal() || sent_.broke()) {
        sent_.loses_client();
        at_.worker.stats().client_left.add();
    }
    at_.connection.client().close();
    return false;
}

}  // namespace spillway::proxy
