// Managed identities: the metadata service of virtual machines, and the one of App Service and Container Apps.
#include <algorithm>

#include <spillway/base/text.hpp>

#include "identity_provider.hpp"

namespace spillway::sim {
namespace {

answer imds_refusal(std::string_view error, std::string_view why) {
    return answer::of(400, {{"error", error}, {"error_description", why}});
}

answer app_service_refusal(int status, std::string_view why) {
    return answer::of(status, {{"statusCode", status}, {"message", why}});
}

// How many of the three ways to name an identity are used.
int names_used(const request& r, const char* id_name) {
    int used = 0;
    for (const char* name : {"client_id", "object_id", id_name}) used += r.parameter(name).empty() ? 0 : 1;
    return used;
}

bool shows(const request& r, std::string_view header) {
    return std::any_of(r.headers.begin(), r.headers.end(),
                       [&](const auto& h) { return text::iequals(h.first, header); });
}

}  // namespace

const managed_identity_options* identity_provider::find_managed(const request& r, const char* id_name,
                                                                bool only_one_will_do) const {
    const std::string client = percent_decoded(r.parameter("client_id"));
    const std::string object = percent_decoded(r.parameter("object_id"));
    const std::string resource = percent_decoded(r.parameter(id_name));
    const auto& all = options_.managed_identities;
    if (names_used(r, id_name) == 0 && only_one_will_do && all.size() == 1) return &all.front();
    const auto fits = [&](const managed_identity_options& m) {
        if (!client.empty()) return m.client_id == client;
        if (!object.empty()) return m.object_id == object;
        return resource.empty() ? m.system : text::iequals(m.resource_id, resource);
    };
    const auto at = std::find_if(all.begin(), all.end(), fits);
    return at == all.end() ? nullptr : &*at;
}

std::string identity_provider::managed_token(const managed_identity_options& whose, const std::string& resource) {
    return tokens.issue({options_.tenants.front(), resource, whose.client_id, whose.object_id, {}, false, 1});
}

answer identity_provider::imds(const request& r) {
    if (!text::iequals(r.header("metadata"), "true"))
        return imds_refusal("invalid_request", "The header Metadata: true is needed");
    if (shows(r, "x-forwarded-for")) return imds_refusal("invalid_request", "No proxy may be between");
    // Dates of this form compare as text.
    constexpr std::string_view oldest = "2018-02-01";
    const std::string_view version = r.parameter("api-version");
    if (version.size() != oldest.size() || version < oldest)
        return imds_refusal("bad_request_102", "The query needs an api-version from 2018-02-01 on");
    const std::string resource = percent_decoded(r.parameter("resource"));
    if (resource.empty()) return imds_refusal("invalid_request", "The query needs a resource");
    if (resource.ends_with("/.default"))
        return imds_refusal("invalid_resource", "AADSTS500011: a resource is named without /.default");
    if (names_used(r, "msi_res_id") > 1)
        return imds_refusal("invalid_request", "Only one of client_id, object_id and msi_res_id may be used");
    const auto* whose = find_managed(r, "msi_res_id", true);
    if (whose == nullptr) return imds_refusal("identity_not_found", "Identity not found");
    const std::int64_t now = tokens.now(), life = tokens.lifetime();
    return answer::of(200, {{"access_token", managed_token(*whose, resource)},
                            {"client_id", whose->client_id},
                            {"expires_in", std::to_string(life)},
                            {"expires_on", std::to_string(now + life)},
                            {"ext_expires_in", std::to_string(life)},
                            {"not_before", std::to_string(now)},
                            {"refresh_in", std::to_string(life / 2)},
                            {"resource", resource},
                            {"token_type", "Bearer"}});
}

answer identity_provider::app_service(const request& r) {
    if (options_.identity_header.empty() || r.header("x-identity-header") != options_.identity_header)
        return app_service_refusal(401, "The header X-IDENTITY-HEADER is missing or wrong.");
    if (r.parameter("api-version") != "2019-08-01")
        return app_service_refusal(400, "The api-version has to be 2019-08-01.");
    const std::string resource = percent_decoded(r.parameter("resource"));
    if (resource.empty() || resource.ends_with("/.default"))
        return app_service_refusal(400, "The query needs a resource, without /.default.");
    if (names_used(r, "mi_res_id") > 1)
        return app_service_refusal(400, "Only one of client_id, object_id and mi_res_id may be used.");
    const auto* whose = find_managed(r, "mi_res_id", false);
    if (whose == nullptr) return app_service_refusal(400, "There is no managed identity of that name.");
    return answer::of(200, {{"access_token", managed_token(*whose, resource)},
                            {"expires_on", std::to_string(tokens.now() + tokens.lifetime())},
                            {"resource", resource},
                            {"token_type", "Bearer"},
                            {"client_id", whose->client_id}});
}

}  // namespace spillway::sim
