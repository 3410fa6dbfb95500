#include <spdlog/fmt/fmt.h>

#include <iterator>

#include <spillway/base/json_text.hpp>

#include "../request/telling.hpp"
#include "record.hpp"

namespace spillway::proxy {
namespace {

// One JSON line a request: names, numbers and outcomes. No byte of a body, no query but the version; of the headers
// the client's program, where the gateway refused.
void write_line(const exchange_record& r) {
    std::string& out = r.at.worker.log().text();
    const auto text = [&](std::string_view name, std::string_view value) {
        if (!value.empty()) text::append_json_member(out, name, value);
    };
    const auto* c = r.of_client();
    const auto* b = r.served_by();
    const auto ms = std::chrono::duration_cast<milliseconds>(wall_clock::now().time_since_epoch()).count();
    fmt::format_to(std::back_inserter(out), "{{\"time\":{}.{:03},\"status\":{}", ms / 1000, ms % 1000,
                   r.sent.status());
    text("request_id", r.asked.id());
    text("client", c != nullptr ? std::string_view(c->name) : std::string_view{});
    text("peer", r.asked.client_address.empty() ? r.at.connection.peer().ip() : r.asked.client_address);
    text("auth", c != nullptr ? r.by.method : std::string_view{});
    text("key", r.by.key_label);
    text("refused", c != nullptr ? std::string_view{} : r.by.refused);
    text("operation", r.asked.operation_name());
    const auto deployment = deployment_told(r.at, r.asked.deployment, r.way.route);
    // Of a name that no route knows, the beginning: there is no end of such names.
    constexpr std::size_t longest_name = 64;
    if (!r.way.route && deployment.size() > longest_name)
        text("deployment", std::string(deployment.substr(0, longest_name)) + "...");
    else text("deployment", deployment);
    if (r.sent.is_local() || r.asked.method == "OPTIONS") append_asked(r.at, r.asked, out);
    text("route", r.route_name());
    text("pool", r.of_pool() != nullptr ? std::string_view(r.of_pool()->name) : std::string_view{});
    text("backend", b != nullptr ? std::string_view(b->name) : std::string_view{});
    text("code", r.sent.code());
    text("broken", r.sent.broken_why());
    const time_point now = clock::now();
    fmt::format_to(std::back_inserter(out), ",\"stream\":{},\"attempts\":{},\"sent\":{},\"seconds\":{:.6f}",
                   r.asked.terms.streams, r.tried.count(), r.sent.bytes(), seconds_between(r.asked.began, now));
    if (r.tried.first_byte_at() != time_point{})
        fmt::format_to(std::back_inserter(out), ",\"first_byte_seconds\":{:.6f}",
                       seconds_between(r.asked.began, r.tried.first_byte_at()));
    if (r.sent.client_left()) out += ",\"client_left\":true";
    if (r.source != core::token_source::none)
        fmt::format_to(std::back_inserter(out), ",\"prompt_tokens\":{},\"completion_tokens\":{},\"tokens\":\"{}\"",
                       r.tokens.prompt, r.tokens.completion, core::to_string(r.source));
    const auto tries = r.tried.tries();
    if (tries.size() > 1 || (!tries.empty() && r.sent.status() >= 400)) {
        out += ",\"tries\":";
        append_tries(r, out);
    }
    out += '}';
    r.at.worker.log().end_line();
}

}  // namespace

// Failures are always written; probes of load balancers never, they would be most of the log.
void note_access_log(const exchange_record& r) {
    if (r.asked.is_probe) return;
    if (r.sent.status() >= 400 || r.sent.broke() || r.config().access_log_sampled(r.at.worker.random().unit()))
        write_line(r);
}

}  // namespace spillway::proxy
