// The token endpoint: client credentials, proved by a secret or by an assertion.
#include <algorithm>
#include <fstream>
#include <sstream>

#include <spillway/base/text.hpp>

#include "identity_provider.hpp"

namespace spillway::sim {
namespace {

constexpr std::string_view assertion_form = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
constexpr std::string_view all_rights = "/.default";

const std::string& field(const std::map<std::string, std::string>& form, const char* name) {
    static const std::string none;
    const auto at = form.find(name);
    return at == form.end() ? none : at->second;
}

// Without the line end that an editor leaves; empty when the file cannot be read.
std::string first_text_of(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    std::string text = out.str();
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    return text;
}

bool is_form(const request& r) {
    const std::string_view type = r.header("content-type");
    return text::iequals(text::trim(type.substr(0, type.find(';'))), "application/x-www-form-urlencoded");
}

// Some libraries write times with a fraction, as JWT allows.
double time_in(const json& claims, const char* name) {
    const json* j = find(claims, name);
    return j != nullptr && j->is_number() ? j->get<double>() : 0;
}

}  // namespace

std::optional<answer> identity_provider::refuse_assertion(const application_options& who,
                                                          const std::string& assertion,
                                                          const std::string& endpoint) const {
    if (!who.federated_token_file.empty()) {
        const std::string wanted = first_text_of(who.federated_token_file);
        if (!wanted.empty() && assertion == wanted) return std::nullopt;
        if (who.certificate.empty())
            return refused(401, "invalid_client", 70021, "No federated credential fits this assertion.");
    }
    if (who.certificate.empty())
        return refused(401, "invalid_client", 700027, "The application has no certificate for assertions.");
    const auto certificate = client_certificate::read(who.certificate);
    const auto token = parse_jwt(assertion);
    if (!token) return refused(401, "invalid_client", 50027, "The assertion is no token.");
    if (!certificate || !certificate->named_by(token->header) || !certificate->verifies(*token))
        return refused(401, "invalid_client", 700027, "The assertion is not signed by the application's key.");
    const json& claims = token->claims;
    if (string_or(claims, "iss", "") != who.client_id || string_or(claims, "sub", "") != who.client_id)
        return refused(401, "invalid_client", 700021, "The assertion speaks for another application.");
    if (string_or(claims, "aud", "") != endpoint)
        return refused(401, "invalid_client", 700023, "The assertion is for another audience.");
    constexpr double skew = 300;
    const auto now = static_cast<double>(tokens.now());
    if (time_in(claims, "exp") + skew <= now || time_in(claims, "nbf") - skew > now)
        return refused(401, "invalid_client", 700024, "The assertion is not good at this time.");
    return std::nullopt;
}

std::optional<answer> identity_provider::refuse_credentials(const application_options& who, const fields& form,
                                                            const std::string& endpoint) const {
    const std::string& secret = field(form, "client_secret");
    const std::string& assertion = field(form, "client_assertion");
    if (secret.empty() && assertion.empty())
        return refused(401, "invalid_client", 7000218, "The form needs client_assertion or client_secret.");
    if (assertion.empty()) {
        if (!who.secret.empty() && secret == who.secret) return std::nullopt;
        return refused(401, "invalid_client", 7000215, "The client secret is wrong.");
    }
    if (field(form, "client_assertion_type") != assertion_form)
        return refused(400, "invalid_request", 900144,
                       "The form needs 'client_assertion_type', of the jwt-bearer kind.");
    return refuse_assertion(who, assertion, endpoint);
}

answer identity_provider::grant(const std::string& tenant, const request& r) {
    const fields form = is_form(r) ? form_fields(r.body) : fields{};
    for (const char* needed : {"grant_type", "client_id", "scope"})
        if (field(form, needed).empty())
            return refused(400, "invalid_request", 900144, "The form needs '" + std::string(needed) + "'.");
    if (field(form, "grant_type") != "client_credentials")
        return refused(400, "unsupported_grant_type", 70003, "Only client_credentials are known here.");
    const auto who = std::find_if(options_.applications.begin(), options_.applications.end(), [&](const auto& a) {
        return a.tenant == tenant && a.client_id == field(form, "client_id");
    });
    if (who == options_.applications.end())
        return refused(400, "unauthorized_client", 700016, "The tenant has no such application.");
    const std::string endpoint = tokens.authority + "/" + tenant + "/oauth2/v2.0/token";
    if (auto refusal = refuse_credentials(*who, form, endpoint)) return *refusal;
    std::string scope = field(form, "scope");
    if (!scope.ends_with(all_rights) || scope.size() == all_rights.size() || scope.find(' ') != std::string::npos)
        return refused(400, "invalid_scope", 1002012, "A scope of client credentials ends in /.default.");
    scope.resize(scope.size() - all_rights.size());
    const bool by_secret = field(form, "client_assertion").empty();
    const token_subject whose{tenant, scope, who->client_id, who->object_id, who->roles, by_secret, 2};
    answer out = answer::of(200, {{"token_type", "Bearer"},
                                  {"expires_in", tokens.lifetime()},
                                  {"ext_expires_in", tokens.lifetime()},
                                  {"access_token", tokens.issue(whose)}});
    out.headers.emplace_back("Cache-Control", "no-store, no-cache");
    return out;
}

}  // namespace spillway::sim
