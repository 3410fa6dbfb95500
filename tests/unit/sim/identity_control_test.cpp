#include "identity_fixture.hpp"

using namespace spillway;
using namespace spillway::sim;

namespace {

class sim_identity_control : public sim_identity {
protected:
    jwt_parts minted(const std::string& wanted) {
        const answer a = control_call("POST", "/identity/tokens", wanted);
        EXPECT_EQ(a.status, 200) << a.pieces[0].bytes;
        return *parse_jwt(body(a)["token"].get<std::string>());
    }
    std::size_t keys_shown() { return body(get("/common/discovery/v2.0/keys"))["keys"].size(); }
    std::string token_endpoint() { return "https://127.0.0.1:9441/" + tenant + "/oauth2/v2.0/token"; }
};

}  // namespace

TEST_F(sim_identity_control, a_token_for_clients_has_defaults_for_everything) {
    const jwt_parts t = minted("{}");
    EXPECT_EQ(t.header["alg"], "RS256");
    EXPECT_EQ(t.header["kid"], at.tokens.keys.current().kid());
    EXPECT_EQ(t.claims["aud"], "api://spillway");
    EXPECT_EQ(t.claims["tid"], tenant);
    EXPECT_EQ(t.claims["azp"], "app");
    EXPECT_EQ(t.claims["exp"].get<std::int64_t>() - t.claims["iat"].get<std::int64_t>(), 3600);
    EXPECT_EQ(use(body(control_call("POST", "/identity/tokens"))["token"]).status, 401)
        << "it is for clients of the gateway, no instance has heard of it";
}

TEST_F(sim_identity_control, every_part_of_a_token_can_be_changed_or_left_out) {
    const jwt_parts t = minted(
        R"({"header":{"alg":"none","kid":null,"crit":["b64"]},"claims":{"aud":"x","exp":1,"roles":null},"tenant":"t9"})");
    EXPECT_EQ(t.header["alg"], "none");
    EXPECT_FALSE(t.header.contains("kid"));
    EXPECT_EQ(t.header["crit"], json::array({"b64"}));
    EXPECT_EQ(t.signature, "");
    EXPECT_EQ(t.claims["aud"], "x");
    EXPECT_EQ(t.claims["exp"], 1);
    EXPECT_FALSE(t.claims.contains("roles"));
    EXPECT_EQ(t.claims["iss"], "https://127.0.0.1:9441/t9/v2.0");
}

TEST_F(sim_identity_control, version_one_has_its_own_names) {
    const jwt_parts t = minted(R"({"version":1})");
    EXPECT_EQ(t.claims["iss"], "https://127.0.0.1:9441/sts/" + tenant + "/");
    EXPECT_EQ(t.claims["appid"], "app");
    EXPECT_FALSE(t.claims.contains("azp"));
    EXPECT_EQ(t.claims["ver"], "1.0");
    EXPECT_EQ(t.header["x5t"], t.header["kid"]);
}

TEST_F(sim_identity_control, keys_rotate_with_and_without_the_old_one) {
    const std::string first = at.tokens.keys.current().kid();
    EXPECT_EQ(control_call("POST", "/identity/tokens", R"({"key":"previous"})").status, 400);
    const std::string second = body(control_call("POST", "/identity/keys/rotate", R"({"keep_old":true})"))["kid"];
    EXPECT_NE(second, first);
    EXPECT_EQ(keys_shown(), 2U);
    EXPECT_EQ(minted(R"({"key":"previous"})").header["kid"], first);
    EXPECT_EQ(minted("{}").header["kid"], second);
    control_call("POST", "/identity/keys/rotate", R"({"keep_old":false})");
    EXPECT_EQ(keys_shown(), 1U);
    const std::string hidden = minted(R"({"key":"unknown"})").header["kid"];
    const json shown = body(control_call("GET", "/identity"));
    ASSERT_FALSE(shown["published"].empty());
    for (const json& kid : shown["published"]) EXPECT_NE(kid, hidden);
}

TEST_F(sim_identity_control, a_counted_fault_comes_that_often) {
    const char* fault = R"({"endpoint":"keys","status":503,"body":"no","headers":{"Retry-After":"1"},"times":2})";
    ASSERT_EQ(control_call("POST", "/identity/faults", fault).status, 201);
    for (int i = 0; i < 2; ++i) {
        const answer a = get("/common/discovery/v2.0/keys");
        EXPECT_EQ(a.status, 503);
        EXPECT_EQ(a.pieces[0].bytes, "no");
        EXPECT_EQ(header(a, "Retry-After"), "1");
    }
    EXPECT_EQ(get("/common/discovery/v2.0/keys").status, 200);
    const json seen = body(control_call("GET", "/identity"))["endpoints"]["keys"];
    EXPECT_EQ(seen["requests"], 3);
    EXPECT_EQ(seen["by_status"]["503"], 2);
}

TEST_F(sim_identity_control, a_fault_meets_its_endpoint_alone_until_it_is_cleared) {
    control_call("POST", "/identity/faults", R"({"endpoint":"imds","hang":true})");
    control_call("POST", "/identity/faults", R"({"endpoint":"metadata","delay":"2s"})");
    const request r = asking("GET", "/metadata/identity/oauth2/token");
    EXPECT_TRUE(at.handle(r).hang);
    EXPECT_TRUE(at.handle(r).hang);
    const identity_reply slow = at.handle(asking("GET", "/" + tenant + "/v2.0/.well-known/openid-configuration"));
    EXPECT_EQ(slow.delay, seconds(2));
    EXPECT_EQ(slow.what.status, 200);
    EXPECT_EQ(get("/common/discovery/v2.0/keys").status, 200);
    EXPECT_EQ(at.to_json()["endpoints"]["imds"]["unanswered"], 2);
    EXPECT_EQ(control_call("DELETE", "/identity/faults").status, 200);
    EXPECT_FALSE(at.handle(r).hang);
}

TEST_F(sim_identity_control, revoked_tokens_are_refused_and_new_ones_are_not) {
    const std::string before = managed_token();
    EXPECT_EQ(body(control_call("POST", "/identity/revoke"))["revoked"], 1);
    const answer plain = use(before);
    EXPECT_EQ(plain.status, 401);
    EXPECT_EQ(header(plain, "WWW-Authenticate"), "");
    const std::string after = managed_token();
    EXPECT_EQ(use(after).status, 200);
    control_call("POST", "/identity/revoke", R"({"claims":true})");
    const std::string challenge = header(use(after), "WWW-Authenticate");
    EXPECT_EQ(challenge.find("Bearer "), 0U);
    EXPECT_NE(challenge.find("error=\"insufficient_claims\""), std::string::npos);
    EXPECT_NE(challenge.find("claims=\"" + base64("{\"access_token\":{\"nbf\":").substr(0, 20)), std::string::npos);
}

TEST_F(sim_identity_control, a_denied_instance_refuses_good_tokens_until_the_reset) {
    const std::string token = managed_token();
    EXPECT_EQ(control_call("POST", "/identity/deny", R"({"instance":"a"})").status, 200);
    const answer denied = use(token);
    EXPECT_EQ(denied.status, 403);
    EXPECT_EQ(body(denied)["error"]["code"], "PermissionDenied");
    EXPECT_EQ(use("key").status, 200);
    control_call("POST", "/identity/faults", R"({"endpoint":"imds","hang":true})");
    control_call("POST", "/reset");
    EXPECT_EQ(use(token).status, 200);
    const json state = body(control_call("GET", "/identity"));
    EXPECT_TRUE(state["faults"].empty());
    EXPECT_TRUE(state["denied"].empty());
    EXPECT_EQ(state["endpoints"]["imds"]["requests"], 0);
}

TEST_F(sim_identity_control, wrong_calls_change_nothing) {
    for (const char* bad :
         {R"({"key":"other"})", R"({"version":3})", R"({"claims":1})", R"({"claim":{}})", "[]", "{"})
        EXPECT_EQ(control_call("POST", "/identity/tokens", bad).status, 400) << bad;
    for (const char* bad :
         {R"({"endpoint":"x","status":500})", R"({"endpoint":"keys"})", R"({"endpoint":"keys","status":99})",
          R"({"endpoint":"keys","body":"x","hang":true})", R"({"endpoint":"keys","status":500,"time":1})"})
        EXPECT_EQ(control_call("POST", "/identity/faults", bad).status, 400) << bad;
    EXPECT_EQ(control_call("POST", "/identity/deny", R"({"instance":"none"})").status, 400);
    EXPECT_EQ(control_call("POST", "/identity/deny", R"({"instance":"a","status":200})").status, 400);
    EXPECT_EQ(control_call("POST", "/identity/revoke", R"({"claims":"perhaps"})").status, 400);
    EXPECT_EQ(control_call("POST", "/identity/keys/rotate", R"({"keep":true})").status, 400);
    EXPECT_EQ(control_call("GET", "/identity/none").status, 404);
    const json state = at.to_json();
    EXPECT_TRUE(state["faults"].empty());
    EXPECT_EQ(state["published"].size(), 1U);
}

TEST(identity_control, without_the_section_there_is_nothing_to_steer) {
    net::loop loop;
    simulation all(loop, options{});
    control ask(all, [] {});
    request r;
    r.method = "GET";
    r.set_target("/identity");
    EXPECT_EQ(ask.handle(r).status, 404);
}
