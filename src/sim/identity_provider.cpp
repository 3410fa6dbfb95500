#include "identity_provider.hpp"

#include <algorithm>

#include <spillway/base/text.hpp>

namespace spillway::sim {
namespace {

std::int64_t real_time() { return wall_clock::to_time_t(wall_clock::now()); }

struct route {
    identity_endpoint at{identity_endpoint::unknown};
    std::string tenant;
    bool v1{false};
};

route find_route(std::string_view path) {
    if (path == "/metadata/identity/oauth2/token") return {identity_endpoint::imds, {}};
    if (path == "/msi/token") return {identity_endpoint::app_service, {}};
    const auto slash = path.find('/', 1);
    if (slash == std::string_view::npos) return {};
    const std::string tenant(path.substr(1, slash - 1));
    const std::string_view rest = path.substr(slash);
    if (rest == "/v2.0/.well-known/openid-configuration") return {identity_endpoint::metadata, tenant, false};
    if (rest == "/.well-known/openid-configuration") return {identity_endpoint::metadata, tenant, true};
    if (rest == "/discovery/v2.0/keys") return {identity_endpoint::keys, tenant};
    if (rest == "/oauth2/v2.0/token") return {identity_endpoint::token, tenant};
    return {};
}

// The challenge of continuous access evaluation: nothing older than now will do.
std::string claims_challenge(const std::string& authority, std::int64_t now) {
    const json wanted{{"access_token", {{"nbf", {{"essential", true}, {"value", std::to_string(now)}}}}}};
    return "Bearer realm=\"\", authorization_uri=\"" + authority +
           "/common/oauth2/v2.0/authorize\", error=\"insufficient_claims\", claims=\"" + base64(to_text(wanted)) +
           "\"";
}

}  // namespace

std::map<std::string, std::string> form_fields(std::string_view text) {
    std::map<std::string, std::string> out;
    const auto decoded = [](std::string_view s) {
        std::string plain(s);
        std::replace(plain.begin(), plain.end(), '+', ' ');
        return percent_decoded(plain);
    };
    while (!text.empty()) {
        const std::string_view one = text.substr(0, text.find('&'));
        text.remove_prefix(std::min(text.size(), one.size() + 1));
        const auto equal = one.find('=');
        const std::string_view value = equal == std::string_view::npos ? "" : one.substr(equal + 1);
        if (!one.empty()) out.emplace(decoded(one.substr(0, equal)), decoded(value));
    }
    return out;
}

identity_provider::identity_provider(const identity_options& o, std::function<std::int64_t()> wall)
    : tokens(o.token_lifetime, wall ? std::move(wall) : real_time), options_(o) {
    set_bound(o.address);
}

void identity_provider::set_bound(const std::string& address) {
    bound_url_ = (options_.tls ? "https://" : "http://") + address;
    tokens.authority = options_.public_url.empty() ? bound_url_ : options_.public_url;
}

bool identity_provider::knows_tenant(std::string_view tenant) const {
    return std::find(options_.tenants.begin(), options_.tenants.end(), tenant) != options_.tenants.end();
}

answer identity_provider::refused(int status, std::string_view error, int code, std::string_view why) const {
    const std::string number = "AADSTS" + std::to_string(code);
    return answer::of(status, {{"error", error},
                               {"error_description", number + ": " + std::string(why)},
                               {"error_codes", json::array({code})},
                               {"trace_id", "00000000-0000-4000-8000-000000000001"},
                               {"correlation_id", "00000000-0000-4000-8000-000000000002"},
                               {"error_uri", tokens.authority + "/error?code=" + std::to_string(code)}});
}

answer identity_provider::unknown_tenant(const std::string& tenant) const {
    return refused(400, "invalid_tenant", 90002, "Tenant '" + tenant + "' is not known here.");
}

answer identity_provider::metadata(const std::string& tenant, bool v1) const {
    const std::string base = tokens.authority + "/" + tenant;
    return answer::of(
        200, {{"issuer", tokens.issuer(tenant, v1 ? 1 : 2)},
              {"authorization_endpoint", base + "/oauth2/v2.0/authorize"},
              {"token_endpoint", base + "/oauth2/v2.0/token"},
              {"jwks_uri", base + "/discovery/v2.0/keys"},
              {"response_types_supported", json::array({"token"})},
              {"subject_types_supported", json::array({"pairwise"})},
              {"id_token_signing_alg_values_supported", json::array({"RS256"})},
              {"token_endpoint_auth_methods_supported", json::array({"client_secret_post", "private_key_jwt"})}});
}

answer identity_provider::key_set(const std::string& tenant) const {
    json list = json::array();
    for (const auto& key : tokens.keys.published()) {
        json one = key->jwk();
        // The document of all tenants says which issuers a key is good for.
        if (tenant == "common") one["issuer"] = tokens.authority + "/{tenantid}/v2.0";
        list.push_back(std::move(one));
    }
    answer out = answer::of(200, {{"keys", std::move(list)}});
    out.headers.emplace_back("Cache-Control", "max-age=86400, private");
    return out;
}

answer identity_provider::serve(const request& r, identity_endpoint at, const std::string& tenant, bool v1) {
    const bool posted = at == identity_endpoint::token;
    if (at != identity_endpoint::unknown && r.method != (posted ? "POST" : "GET"))
        return answer::of(405, {{"error", "invalid_request"}, {"error_description", "This method is not for it."}});
    const bool for_all = at == identity_endpoint::keys && tenant == "common";
    if (!tenant.empty() && !for_all && !knows_tenant(tenant)) return unknown_tenant(tenant);
    switch (at) {
        case identity_endpoint::metadata: return metadata(tenant, v1);
        case identity_endpoint::keys: return key_set(tenant);
        case identity_endpoint::token: return grant(tenant, r);
        case identity_endpoint::imds: return imds(r);
        case identity_endpoint::app_service: return app_service(r);
        case identity_endpoint::unknown: break;
    }
    return answer::of(404, {{"error", "not_found"}, {"error_description", "There is nothing of that path."}});
}

identity_reply identity_provider::handle(const request& r) {
    const route to = find_route(r.path);
    endpoint_counters& c = counters_[static_cast<std::size_t>(to.at)];
    ++c.requests;
    note(to.at, form_fields(r.method == "POST" ? std::string_view(r.body) : std::string_view(r.query)));
    identity_reply out;
    if (const auto fault = faults.take(to.at)) {
        out.delay = fault->delay;
        out.hang = fault->hang;
        if (fault->status != 0) out.what = fault->as_answer();
        else if (!out.hang) out.what = serve(r, to.at, to.tenant, to.v1);
    } else {
        out.what = serve(r, to.at, to.tenant, to.v1);
    }
    if (out.hang) ++c.unanswered;
    else ++c.by_status[out.what.status];
    return out;
}

void identity_provider::note(identity_endpoint at, const fields& asked) {
    json& last = counters_[static_cast<std::size_t>(at)].last;
    last = json::object();
    for (const auto& [name, value] : asked)
        if (name != "client_secret" && name != "client_assertion") last[name] = value;
}

std::optional<answer> identity_provider::refuse(const std::string& instance,
                                                const std::vector<std::string>& audiences, const std::string& token,
                                                bool of_ours) const {
    if (const auto at = denied_.find(instance); at != denied_.end())
        return error_answer(at->second, at->second == 403 ? "PermissionDenied" : std::to_string(at->second),
                            "The principal has no role that allows this operation.");
    if (!of_ours) return std::nullopt;
    const token_verdict verdict = tokens.judge(token, audiences);
    if (verdict == token_verdict::good) return std::nullopt;
    const std::string_view why = verdict == token_verdict::unknown          ? "nobody here made it"
                                 : verdict == token_verdict::expired        ? "it is past its end"
                                 : verdict == token_verdict::wrong_audience ? "it is for another audience"
                                                                            : "it was revoked";
    answer out = error_answer(401, "401", "Access denied: the token is not good, " + std::string(why) + ".");
    if (verdict == token_verdict::revoked_with_claims)
        out.headers.emplace_back("WWW-Authenticate", claims_challenge(tokens.authority, tokens.now()));
    return out;
}

void identity_provider::clear() {
    counters_ = {};
    faults.clear();
    denied_.clear();
}

json identity_provider::to_json() const {
    json endpoints = json::object();
    for (std::size_t i = 0; i < counters_.size(); ++i) {
        const endpoint_counters& c = counters_[i];
        json statuses = json::object();
        for (const auto& [status, n] : c.by_status) statuses[std::to_string(status)] = n;
        endpoints[std::string(name_of(static_cast<identity_endpoint>(i)))] = {{"requests", c.requests},
                                                                              {"by_status", std::move(statuses)},
                                                                              {"unanswered", c.unanswered},
                                                                              {"last", c.last}};
    }
    json published = json::array();
    for (const auto& key : tokens.keys.published()) published.push_back(key->kid());
    json denied = json::object();
    for (const auto& [name, status] : denied_) denied[name] = status;
    return {{"authority", tokens.authority},     {"kid", tokens.keys.current().kid()},
            {"published", std::move(published)}, {"tokens", tokens.issued()},
            {"endpoints", std::move(endpoints)}, {"faults", faults.to_json()},
            {"denied", std::move(denied)}};
}

}  // namespace spillway::sim
