#include <spillway/core/header_rules.hpp>

#include <algorithm>
#include <array>

#include <spillway/base/percent.hpp>
#include <spillway/base/text.hpp>

namespace spillway::core {

using http::field_id;

namespace {

// What a client or a proxy in front of the gateway obeys, or what leads past the gateway to the instance: such words
// are the gateway's alone.
constexpr std::string_view never_relayed[] = {"alt-svc",
                                              "alternates",
                                              "clear-site-data",
                                              "content-location",
                                              "link",
                                              "nel",
                                              "public-key-pins",
                                              "public-key-pins-report-only",
                                              "refresh",
                                              "report-to",
                                              "reporting-endpoints",
                                              "service-worker-allowed",
                                              "set-cookie2",
                                              "sourcemap",
                                              "uri",
                                              "x-lighttpd-send-file",
                                              "x-powered-by",
                                              "x-reproxy-url",
                                              "x-sendfile",
                                              "x-sendfile2",
                                              "x-sourcemap"};

}  // namespace

bool relayed_to_client(field_id id, std::string_view name) noexcept {
    using namespace http::field_flag;
    if ((http::flags_of(id) & (hop_by_hop | secret)) != 0) return false;
    switch (id) {
        case field_id::unknown: break;
        case field_id::content_length:
        case field_id::access_control_allow_origin:
        case field_id::location:
        case field_id::operation_location:
        case field_id::openai_organization:  // whose account at OpenAI the gateway uses
        case field_id::openai_project:
        case field_id::server: return false;
        default: return true;
    }
    // What pages of which origin may do is the listener's to say.
    if (text::istarts_with(name, "x-spillway-") || text::istarts_with(name, "x-accel-") ||
        text::istarts_with(name, "access-control-"))
        return false;
    return std::none_of(std::begin(never_relayed), std::end(never_relayed),
                        [&](std::string_view n) { return text::iequals(n, name); });
}

bool tells_rate(field_id id) noexcept {
    switch (id) {
        case field_id::x_ratelimit_limit_requests:
        case field_id::x_ratelimit_limit_tokens:
        case field_id::x_ratelimit_remaining_requests:
        case field_id::x_ratelimit_remaining_tokens:
        case field_id::x_ratelimit_reset_requests:
        case field_id::x_ratelimit_reset_tokens: return true;
        default: return false;
    }
}

namespace {

// Older clients say engine, others model.
bool speaks_of_models(std::string_view name) noexcept {
    return speaks_of_deployments(name) || text::icontains(name, "model") || text::icontains(name, "engine");
}

}  // namespace

bool speaks_of_deployments(std::string_view name) noexcept { return text::icontains(name, "deployment"); }

bool names_deployment(std::string_view name) noexcept {
    return (text::istarts_with(name, "x-ms-") || text::istarts_with(name, "aoai-")) && speaks_of_models(name);
}

bool param_names_deployment(std::string_view raw_name) noexcept {
    if (raw_name == "api-version") return false;  // what nearly every request brings
    std::array<char, 128> memory;
    const auto decoded = raw_name.size() <= memory.size() ? percent::decode(raw_name, memory) : std::nullopt;
    return speaks_of_models(decoded.value_or(raw_name));
}

bool outgoing_fields::custom() noexcept {
    if (custom_ >= most_custom) {
        ++dropped_;
        return false;
    }
    ++custom_;
    return true;
}

bool outgoing_fields::admits(field_id id, std::string_view name) noexcept {
    switch (id) {
        case field_id::content_type:
        case field_id::accept:
        case field_id::accept_language:
        case field_id::user_agent:
        case field_id::traceparent:
        case field_id::tracestate: return true;
        case field_id::x_ms_client_request_id: return azure_;
        case field_id::openai_beta:
        case field_id::idempotency_key: return custom();
        // Each of these names a deployment that no route has allowed.
        case field_id::x_ms_spillover_deployment:
        case field_id::x_ms_oai_image_generation_deployment: return false;
        case field_id::unknown: break;
        default: return false;
    }
    if (!azure_ || names_deployment(name)) return false;
    if (text::istarts_with(name, "x-ms-") && !text::istarts_with(name, "x-ms-token-") &&
        !text::istarts_with(name, "x-ms-client-principal"))
        return custom();
    return text::istarts_with(name, "aoai-") && custom();
}

}  // namespace spillway::core
