#include "known_refusals.hpp"

#include <array>

namespace spillway::sim {
namespace {

// Statuses and codes are the field's, the messages are in our own words.
constexpr std::array known{
    known_refusal{"firewall", 403, "AccessDenied", "Access denied by a rule of the virtual network or the firewall."},
    known_refusal{"private_endpoint", 403, "403", "Public access is disabled. Use the private endpoint."},
    known_refusal{"no_role", 401, "PermissionDenied",
                  "The principal lacks the data action that this operation needs."},
    known_refusal{"no_role_403", 403, "PermissionDenied",
                  "The principal lacks the data action that this operation needs."},
    known_refusal{"blocked", 403, "Forbidden", "The resource is blocked because of abuse."},
    known_refusal{"data_source", 403, "AccessDenied", "The search service refused the key that the request names."},
    known_refusal{"gateway_tier", 401, "", "",
                  R"({"statusCode":401,"message":"Unauthorized. Access token is missing."})"},
    known_refusal{"quota_of_account", 429, "insufficient_quota", "The quota of this account is used up."},
    known_refusal{"no_capacity", 429, "NoCapacity", "The system has no capacity left for this model."},
    known_refusal{"model_error", 500, "model_error",
                  "The model produced invalid content. Consider changing the prompt."},
    known_refusal{"overloaded", 503, "server_is_overloaded", "The server is overloaded. Try again later."},
    known_refusal{"context_length", 400, "context_length_exceeded",
                  "The input is longer than the context of this model."},
    known_refusal{"content_filter", 400, "content_filter", ""},
    known_refusal{"invalid_prompt", 400, "invalid_prompt", "The prompt was refused."},
    known_refusal{"deployment_missing", 404, "DeploymentNotFound", "The API deployment does not exist."},
    known_refusal{"echo_of_client", 404, "", "Item with id 'msg_DeploymentNotFound' not found."},
    known_refusal{"front_end", 502, "", "", "<html><body><h1>502 Bad Gateway</h1></body></html>", "text/html"},
    known_refusal{"login_page", 200, "", "", "<html><body>Sign in to continue</body></html>", "text/html"},
    known_refusal{"edge_520", 520, "", "", "error code: 520", "text/plain"},
    known_refusal{"edge_524", 524, "", "", "error code: 524", "text/plain"},
};

}  // namespace

const known_refusal* find_refusal(std::string_view name) noexcept {
    for (const auto& k : known)
        if (k.name == name) return &k;
    return nullptr;
}

std::string refusal_names() {
    std::string out;
    for (const auto& k : known) out += (out.empty() ? "" : ", ") + std::string(k.name);
    return out;
}

}  // namespace spillway::sim
