#include "../../../src/sim/identity_provider.hpp"

#include "identity_fixture.hpp"

using namespace spillway;
using namespace spillway::sim;

namespace {

const std::string secret_form = "grant_type=client_credentials&client_id=app&client_secret=s3cret&scope=" + azure;
const std::string imds = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=" + azure;
const std::string app_service = "/msi/token?api-version=2019-08-01&resource=" + azure;
const header_list metadata{{"Metadata", "true"}}, own_header{{"X-IDENTITY-HEADER", "sim-header"}};

class sim_identity_routes : public sim_identity {
protected:
    std::string error_of(const answer& a) {
        const json b = body(a);
        std::string out = std::to_string(a.status) + " " + b["error"].get<std::string>();
        if (b.contains("error_codes")) out += " " + b["error_codes"][0].dump();
        return out;
    }
};

}  // namespace

TEST_F(sim_identity_routes, both_versions_of_the_metadata_point_to_keys_and_token_endpoint) {
    const std::string base = "https://127.0.0.1:9441/" + tenant;
    const json second = body(get("/" + tenant + "/v2.0/.well-known/openid-configuration"));
    EXPECT_EQ(second["issuer"], base + "/v2.0");
    EXPECT_EQ(second["jwks_uri"], base + "/discovery/v2.0/keys");
    EXPECT_EQ(second["token_endpoint"], base + "/oauth2/v2.0/token");
    const json first = body(get("/" + tenant + "/.well-known/openid-configuration"));
    EXPECT_EQ(first["issuer"], "https://127.0.0.1:9441/sts/" + tenant + "/");
}

TEST_F(sim_identity_routes, an_authority_of_its_own_begins_every_issuer) {
    identity_options o = settings().identity;
    o.public_url = "https://login.test";
    identity_provider named(o);
    named.set_bound("127.0.0.1:1");
    const answer a = named.handle(asking("GET", "/" + tenant + "/v2.0/.well-known/openid-configuration")).what;
    EXPECT_EQ(body(a)["issuer"], "https://login.test/" + tenant + "/v2.0");
    EXPECT_EQ(named.bound_url(), "https://127.0.0.1:1");
}

TEST_F(sim_identity_routes, keys_are_shown_for_a_tenant_and_for_all) {
    const json own = body(get("/" + tenant + "/discovery/v2.0/keys"));
    ASSERT_EQ(own["keys"].size(), 1U);
    EXPECT_FALSE(own["keys"][0].contains("issuer"));
    const json common = body(get("/common/discovery/v2.0/keys"));
    EXPECT_EQ(common["keys"][0]["kid"], own["keys"][0]["kid"]);
    EXPECT_EQ(common["keys"][0]["issuer"], "https://127.0.0.1:9441/{tenantid}/v2.0");
}

TEST_F(sim_identity_routes, an_unknown_tenant_is_refused_everywhere) {
    EXPECT_EQ(error_of(get("/other/v2.0/.well-known/openid-configuration")), "400 invalid_tenant 90002");
    EXPECT_EQ(error_of(get("/common/.well-known/openid-configuration")), "400 invalid_tenant 90002");
    EXPECT_EQ(error_of(get("/other/discovery/v2.0/keys")), "400 invalid_tenant 90002");
    EXPECT_EQ(error_of(post_form(secret_form + "/.default", "other")), "400 invalid_tenant 90002");
}

TEST_F(sim_identity_routes, unknown_paths_and_methods_are_refused) {
    EXPECT_EQ(get("/").status, 404);
    EXPECT_EQ(get("/" + tenant + "/nothing").status, 404);
    EXPECT_EQ(get("/" + tenant + "/oauth2/v2.0/token").status, 405);
    EXPECT_EQ(at.handle(asking("POST", imds, metadata)).what.status, 405);
}

TEST_F(sim_identity_routes, a_secret_gets_a_token_of_version_two) {
    const answer a = post_form(secret_form + "%2F.default");
    ASSERT_EQ(a.status, 200);
    const json given = body(a);
    EXPECT_EQ(given["token_type"], "Bearer");
    EXPECT_EQ(given["expires_in"], 1800);
    EXPECT_EQ(given["ext_expires_in"], 1800);
    const auto token = parse_jwt(given["access_token"].get<std::string>());
    ASSERT_TRUE(token);
    EXPECT_EQ(token->header["kid"], at.tokens.keys.current().kid());
    const json& c = token->claims;
    EXPECT_EQ(c["ver"], "2.0");
    EXPECT_EQ(c["iss"], "https://127.0.0.1:9441/" + tenant + "/v2.0");
    EXPECT_EQ(c["aud"], azure);
    EXPECT_EQ(c["azp"], "app");
    EXPECT_EQ(c["tid"], tenant);
    EXPECT_EQ(c["oid"], "app-object");
    EXPECT_EQ(c["sub"], "app-object");
    EXPECT_EQ(c["roles"], json::array({"Spillway.Use"}));
    EXPECT_EQ(c["exp"].get<std::int64_t>() - c["iat"].get<std::int64_t>(), 1800);
    EXPECT_NE(body(post_form(secret_form + "/.default"))["access_token"], given["access_token"]);
}

TEST_F(sim_identity_routes, the_token_endpoint_refuses_as_entra_does) {
    EXPECT_EQ(error_of(post_form("")), "400 invalid_request 900144");
    EXPECT_EQ(error_of(post_form("grant_type=client_credentials&client_id=app&client_secret=s3cret")),
              "400 invalid_request 900144");
    EXPECT_EQ(error_of(post_form("grant_type=password&client_id=app&scope=x/.default")),
              "400 unsupported_grant_type 70003");
    EXPECT_EQ(error_of(post_form("grant_type=client_credentials&client_id=b&scope=x/.default")),
              "400 unauthorized_client 700016");
    EXPECT_EQ(error_of(post_form("grant_type=client_credentials&client_id=app&scope=x/.default")),
              "401 invalid_client 7000218");
    EXPECT_EQ(error_of(post_form("grant_type=client_credentials&client_id=app&client_secret=no&scope=x/.default")),
              "401 invalid_client 7000215");
    for (const char* scope : {"", "/user.read", "/.default+y/.default"})
        EXPECT_EQ(error_of(post_form(secret_form + scope)), "400 invalid_scope 1002012") << scope;
    const answer no_form = at.handle(asking("POST", "/" + tenant + "/oauth2/v2.0/token", {}, secret_form)).what;
    EXPECT_EQ(error_of(no_form), "400 invalid_request 900144");
    EXPECT_EQ(at.to_json()["tokens"], 0);
}

TEST_F(sim_identity_routes, the_last_form_is_shown_without_its_secrets) {
    post_form(secret_form + "/.default&claims=%7B%7D&client_assertion=x");
    const json last = at.to_json()["endpoints"]["token"]["last"];
    EXPECT_EQ(last["scope"], azure + "/.default");
    EXPECT_EQ(last["claims"], "{}");
    EXPECT_FALSE(last.contains("client_secret"));
    EXPECT_FALSE(last.contains("client_assertion"));
}

TEST_F(sim_identity_routes, the_metadata_service_answers_in_texts) {
    const json given = body(get(imds, metadata));
    for (const auto& [name, value] : given.items()) EXPECT_TRUE(value.is_string()) << name;
    EXPECT_EQ(given["expires_in"], "1800");
    EXPECT_EQ(given["refresh_in"], "900");
    EXPECT_EQ(given["resource"], azure);
    EXPECT_EQ(given["token_type"], "Bearer");
    EXPECT_EQ(std::stoll(given["expires_on"].get<std::string>()) - std::stoll(given["not_before"].get<std::string>()),
              1800);
    const json claims = parse_jwt(given["access_token"].get<std::string>())->claims;
    EXPECT_EQ(claims["aud"], azure);
    EXPECT_EQ(claims["appid"], "mi-own");
    EXPECT_EQ(claims["ver"], "1.0");
}

TEST_F(sim_identity_routes, identities_are_found_by_each_of_their_names) {
    EXPECT_EQ(body(get(imds + "&client_id=mi-b", metadata))["client_id"], "mi-b");
    EXPECT_EQ(body(get(imds + "&object_id=mi-b-object", metadata))["client_id"], "mi-b");
    EXPECT_EQ(body(get(imds + "&msi_res_id=%2Fsubscriptions%2F1%2Fb", metadata))["client_id"], "mi-b");
    EXPECT_EQ(body(get(app_service + "&mi_res_id=/subscriptions/1/b", own_header))["client_id"], "mi-b");
    EXPECT_EQ(error_of(get(imds + "&client_id=none", metadata)), "400 identity_not_found");
    EXPECT_EQ(get(app_service + "&object_id=none", own_header).status, 400);
    EXPECT_EQ(error_of(get(imds + "&client_id=mi-b&object_id=mi-b-object", metadata)), "400 invalid_request");
}

TEST_F(sim_identity_routes, the_metadata_service_refuses_what_azure_refuses) {
    EXPECT_EQ(error_of(get(imds)), "400 invalid_request");
    EXPECT_EQ(error_of(get(imds, {{"Metadata", "true"}, {"X-Forwarded-For", "1.2.3.4"}})), "400 invalid_request");
    EXPECT_EQ(error_of(get("/metadata/identity/oauth2/token?api-version=2018-02-01", metadata)),
              "400 invalid_request");
    EXPECT_EQ(error_of(get("/metadata/identity/oauth2/token?resource=x", metadata)), "400 bad_request_102");
    EXPECT_EQ(error_of(get(imds + "/.default", metadata)), "400 invalid_resource");
}

TEST_F(sim_identity_routes, app_service_wants_its_header_and_version) {
    const json given = body(get(app_service, own_header));
    EXPECT_EQ(given["client_id"], "mi-own");
    EXPECT_TRUE(given["expires_on"].is_string());
    EXPECT_FALSE(given.contains("expires_in"));
    EXPECT_EQ(get(app_service).status, 401);
    EXPECT_EQ(get(app_service, {{"X-IDENTITY-HEADER", "other"}}).status, 401);
    EXPECT_EQ(get("/msi/token?api-version=2017-09-01&resource=x", own_header).status, 400);
    EXPECT_EQ(get("/msi/token?api-version=2019-08-01", own_header).status, 400);
}

TEST_F(sim_identity_routes, without_an_own_identity_the_only_one_serves_a_machine_but_no_app) {
    identity_options o = settings().identity;
    o.managed_identities = {{"only", "only", "", false}};
    identity_provider one(o);
    EXPECT_EQ(body(one.handle(asking("GET", imds, metadata)).what)["client_id"], "only");
    EXPECT_EQ(one.handle(asking("GET", app_service, own_header)).what.status, 400);
}

TEST_F(sim_identity_routes, instances_accept_tokens_of_all_three_places) {
    EXPECT_EQ(use(managed_token()).status, 200);
    EXPECT_EQ(use(body(post_form(secret_form + "/.default"))["access_token"]).status, 200);
    EXPECT_EQ(use(body(get(app_service, own_header))["access_token"]).status, 200);
    EXPECT_EQ(use("key").status, 200) << "a key stays a key";
}

TEST_F(sim_identity_routes, instances_refuse_every_other_token) {
    EXPECT_EQ(use(managed_token("https://other.test")).status, 401);
    EXPECT_EQ(use(managed_token() + "x").status, 401);
    EXPECT_EQ(use("").status, 401);
    EXPECT_EQ(use("identity").status, 401) << "the option's word is no token";
    EXPECT_EQ(body(use("x"))["error"]["code"], "401");
}

TEST_F(sim_identity_routes, a_token_is_good_until_its_end) {
    std::int64_t now = 1'000'000;
    identity_provider timed(settings().identity, [&now] { return now; });
    const json given = body(timed.handle(asking("GET", imds, metadata)).what);
    EXPECT_EQ(given["expires_on"], "1001800");
    const std::string token = given["access_token"];
    now += 1799;
    EXPECT_FALSE(timed.refuse("a", {azure}, token, true));
    now += 1;
    EXPECT_EQ(timed.refuse("a", {azure}, token, true)->status, 401);
}
