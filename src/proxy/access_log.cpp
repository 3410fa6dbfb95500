#include <spdlog/fmt/fmt.h>

#include <iterator>

#include <spillway/proxy/exchange.hpp>

namespace spillway::proxy {

// One JSON line a request: names, numbers and outcomes. No byte of a body, no query but the version; of the headers
// the client's program, where the gateway refused.
void exchange::write_access_log() {
    std::string& out = worker_.log().text();
    const auto text = [&](std::string_view name, std::string_view value) {
        if (value.empty()) return;
        out += ",\"";
        out += name;
        out += "\":\"";
        text::append_json_escaped(out, value);
        out += '"';
    };
    const auto& shared = *snapshot_->shared;
    const auto ms = std::chrono::duration_cast<milliseconds>(wall_clock::now().time_since_epoch()).count();
    fmt::format_to(std::back_inserter(out), "{{\"time\":{}.{:03},\"status\":{}", ms / 1000, ms % 1000, status_);
    text("request_id", request_id());
    text("client", client_ ? std::string_view(shared.clients[*client_].name) : std::string_view{});
    text("peer", client_address_.empty() ? session_.peer().ip() : client_address_);
    text("auth", client_ ? auth_method_ : std::string_view{});
    text("key", auth_label_);
    text("refused", client_ ? std::string_view{} : auth_result_);
    text("operation", classified_.op != nullptr ? classified_.op->name : std::string_view{});
    const auto deployment = deployment_told();
    // Of a name that no route knows, the beginning: there is no end of such names.
    constexpr std::size_t longest_name = 64;
    if (!route_ && deployment.size() > longest_name)
        text("deployment", std::string(deployment.substr(0, longest_name)) + "...");
    else text("deployment", deployment);
    if (!reply_code_.empty() || method_ == "OPTIONS") append_asked(out);
    text("route", route_ ? std::string_view(shared.route_names[*route_]) : std::string_view{});
    text("pool", pool_ ? std::string_view(the_pool().name) : std::string_view{});
    text("backend",
         serving_ != nullptr && reply_code_.empty() ? std::string_view(serving_->name) : std::string_view{});
    text("code", reply_code_);
    text("broken", broken_why_);
    const time_point now = clock::now();
    fmt::format_to(std::back_inserter(out), ",\"stream\":{},\"attempts\":{},\"sent\":{},\"seconds\":{:.6f}", streams_,
                   attempts_, bytes_to_client_, seconds_between(began_, now));
    if (first_byte_at_ != time_point{})
        fmt::format_to(std::back_inserter(out), ",\"first_byte_seconds\":{:.6f}",
                       seconds_between(began_, first_byte_at_));
    if (client_left_) out += ",\"client_left\":true";
    if (usage_.recorded.source != core::token_source::none)
        fmt::format_to(std::back_inserter(out), ",\"prompt_tokens\":{},\"completion_tokens\":{},\"tokens\":\"{}\"",
                       usage_.recorded.tokens.prompt, usage_.recorded.tokens.completion,
                       core::to_string(usage_.recorded.source));
    if (machine_ && (machine_->tries().size() > 1 || (!machine_->tries().empty() && status_ >= 400))) {
        out += ",\"tries\":";
        append_tries(out);
    }
    out += '}';
    worker_.log().end_line();
}

// Which backends were asked and what came of it; nothing for the usual single success.
void exchange::append_tries(std::string& out) const {
    if (!machine_ || machine_->tries().empty() || (machine_->tries().size() == 1 && status_ < 400)) return;
    out += '[';
    bool first = true;
    for (const auto& t : machine_->tries()) {
        out += first ? "{\"backend\":\"" : ",{\"backend\":\"";
        first = false;
        text::append_json_escaped(out, the_pool().backends[t.backend].name);
        fmt::format_to(std::back_inserter(out), "\",\"status\":{}", t.status);
        if (!t.reason.empty()) out.append(",\"reason\":\"").append(t.reason).append("\"");
        out += '}';
    }
    out += ']';
}

}  // namespace spillway::proxy
