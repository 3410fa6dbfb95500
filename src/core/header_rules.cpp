#include <spillway/core/header_rules.hpp>

namespace spillway::core {

using http::field_id;

bool relayed_to_client(field_id id, std::string_view name) noexcept {
    using namespace http::field_flag;
    if ((http::flags_of(id) & (hop_by_hop | secret)) != 0) return false;
    if (id == field_id::content_length) return false;
    // Whose account at OpenAI the gateway uses.
    if (id == field_id::openai_organization || id == field_id::openai_project) return false;
    if (id != field_id::unknown) return true;
    // Another way to the instance, and words that are ours.
    return !text::iequals(name, "alt-svc") && !text::istarts_with(name, "x-spillway-");
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

bool speaks_of_deployments(std::string_view name) noexcept {
    constexpr std::string_view word = "deployment";
    for (std::size_t i = 0; i + word.size() <= name.size(); ++i)
        if (text::iequals(name.substr(i, word.size()), word)) return true;
    return false;
}

}  // namespace

bool names_deployment(std::string_view name) noexcept {
    return text::istarts_with(name, "x-ms-") && speaks_of_deployments(name);
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
        case field_id::content_encoding:
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
    if (!azure_) return false;
    if (text::istarts_with(name, "x-ms-") && !speaks_of_deployments(name) &&
        !text::istarts_with(name, "x-ms-token-") && !text::istarts_with(name, "x-ms-client-principal"))
        return custom();
    return text::istarts_with(name, "aoai-") && custom();
}

}  // namespace spillway::core
