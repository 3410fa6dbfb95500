#include <spillway/identity/json_web_token.hpp>

#include <gtest/gtest.h>

#include <spillway/identity/token_provider.hpp>

#include "signer.hpp"

namespace spillway::identity {
namespace {

using core::token_error;

const signer& ours() {
    static const signer s;
    return s;
}
const signer& theirs() {
    static const signer s;
    return s;
}

const std::string usual_payload = R"({"iss":"https://i","aud":"a","exp":4000000000})";

token_error head_error(const std::string& header, const std::string& payload = usual_payload) {
    token_head out;
    return read_head(ours().sign(header, payload), out);
}

TEST(read_head, takes_the_usual_forms) {
    for (const auto* header : {R"({"alg":"RS256","kid":"k"})", R"({"alg":"RS256","kid":"k","typ":"jwt"})",
                               R"({"alg":"RS256","kid":"k","typ":"at+jwt","x5t":"abc"})",
                               R"({ "kid":"k", "alg":"RS256", "jku":"https://evil", "jwk":{"kty":"RSA"} })"})
        EXPECT_EQ(head_error(header), token_error::none) << header;
    token_head head;
    ASSERT_EQ(read_head(ours().sign(usual_header, usual_payload), head), token_error::none);
    EXPECT_EQ(head.key_id, "k1");
    EXPECT_EQ(head.issuer, "https://i");
}

TEST(read_head, no_other_algorithm_will_do) {
    for (const auto* a : {R"("none")", R"("None")", R"("HS256")", R"("RS512")", R"("PS256")", R"("ES256")",
                          R"("rs256")", R"("")", "null", "1", R"(["RS256"])", R"({"RS256":1})"})
        EXPECT_EQ(head_error(std::string(R"({"kid":"k","alg":)") + a + "}"), token_error::algorithm) << a;
    EXPECT_EQ(head_error(R"({"kid":"k"})"), token_error::algorithm);
}

TEST(read_head, what_changes_the_meaning_is_refused) {
    for (const auto* more :
         {R"("crit":["exp"])", R"("crit":[])", R"("cty":"JWT")", R"("zip":"DEF")", R"("enc":"A128GCM")",
          R"("b64":false)", R"("typ":"JWE")", R"("typ":1)", R"("alg":"none")", R"("kid":"other")"})
        EXPECT_EQ(head_error(std::string(R"({"alg":"RS256","kid":"k",)") + more + "}"), token_error::malformed)
            << more;
    for (const auto* kid : {R"("")", "1", "null", "[]"})
        EXPECT_EQ(head_error(std::string(R"({"alg":"RS256","kid":)") + kid + "}"), token_error::malformed) << kid;
    EXPECT_EQ(head_error(R"({"alg":"RS256"})"), token_error::malformed);
    EXPECT_EQ(head_error(R"({"alg":"RS256","kid":")" + std::string(257, 'k') + "\"}"), token_error::malformed);
}

TEST(read_head, payloads_are_objects_with_an_issuer_and_no_member_twice) {
    for (const auto* payload : {"", "[]", "1", "\"x\"", "{", R"({"iss":""})", R"({"iss":1})", R"({})",
                                R"({"iss":"i","iss":"j"})", R"({"iss":"i","a":{"b":1,"b":2}})"})
        EXPECT_EQ(head_error(usual_header, payload), token_error::malformed) << payload;
    EXPECT_EQ(head_error(usual_header, R"({"iss":"i","a":{"iss":"j"}})"), token_error::none);
    EXPECT_EQ(head_error(usual_header, R"({"iss":"i","a":)" + std::string(5000, '[') + std::string(5000, ']') + "}"),
              token_error::none);
}

TEST(read_head, the_form_is_exact) {
    const std::string good = ours().sign(usual_header, usual_payload);
    token_head out;
    const auto dot = good.rfind('.');
    for (const auto& bad :
         {std::string(), std::string("."), std::string(".."), good.substr(0, dot), good.substr(0, dot + 1),
          good + ".", good + ".x", "." + good, good + "=", good + " ", " " + good, good + "\n", good + "!",
          good.substr(0, dot) + "." + std::string(longest_token, 'a')})
        EXPECT_EQ(read_head(bad, out), token_error::malformed) << bad.substr(0, 40);
}

TEST(key_set, holds_rsa_keys_for_signatures_alone) {
    const auto set = key_set::parse(
        signer::jwks(ours().jwk("k1") + "," + theirs().jwk("k2", "") + "," + theirs().jwk("enc", R"(,"use":"enc")") +
                     "," + theirs().jwk("ps", R"(,"alg":"PS256")") + "," + theirs().jwk("k1") + "," +
                     R"({"kty":"EC","kid":"ec","crv":"P-256","x":"AA","y":"AA"},7,{"kid":3})"));
    ASSERT_TRUE(set);
    EXPECT_EQ(set->size(), 2U);
    EXPECT_TRUE(set->has("k1") && set->has("k2"));
    EXPECT_FALSE(set->has("enc") || set->has("ps") || set->has("ec") || set->has(""));
}

TEST(key_set, without_a_usable_key_is_none) {
    const signer small(1024);
    for (const auto& bad : {std::string(), std::string("{}"), std::string("[]"), std::string(R"({"keys":{}})"),
                            std::string(R"({"keys":[]})"), signer::jwks(small.jwk("k")),
                            signer::jwks(R"({"kty":"RSA","kid":"k","n":"!","e":"AQAB"})"),
                            signer::jwks(R"({"kty":"RSA","kid":"k","n":"AAAAA","e":"AQAB"})"),
                            signer::jwks(R"({"kty":"RSA","kid":"k","n":"AQAB","e":"A"})"),
                            signer::jwks(R"({"kty":"RSA","kid":"k","n":"","e":""})")})
        EXPECT_EQ(key_set::parse(bad).error().code, "JwksInvalid") << bad.substr(0, 40);
}

TEST(key_set, passes_over_numbers_that_are_no_base64) {
    const std::string n(342, 'x');
    const auto jwk = [](const std::string& modulus, const std::string& exponent) {
        return R"({"kty":"RSA","kid":"odd","n":")" + modulus + R"(","e":")" + exponent + "\"}";
    };
    for (const auto& odd :
         {jwk("0=x" + n, "AQAB"), jwk("=" + n, "AQAB"), jwk("x!" + n, "AQAB"), jwk(n + "==", "AQAB"), jwk(n, "AQ=B"),
          jwk(n, "A==="), jwk(n, "="), jwk(n, "A"), jwk(n, ""), jwk("", "AQAB"), jwk("+/" + n, "AQAB")}) {
        const auto set = key_set::parse(signer::jwks(odd + "," + ours().jwk("k1")));
        ASSERT_TRUE(set) << odd;
        EXPECT_EQ(set->size(), 1U) << odd;
        EXPECT_TRUE(set->has("k1")) << odd;
    }
}

// The modulus of a good key, and one bit of it changed where it says so.
std::string odd_jwk(const std::string& id, const std::string& modulus, const std::string& exponent,
                    const std::string& more = {}) {
    return R"({"kty":"RSA","kid":")" + id + R"(","n":")" + text::to_base64url(modulus) + R"(","e":")" +
           text::to_base64url(exponent) + "\"" + more + "}";
}

TEST(key_set, keys_that_prove_nothing_are_refused_and_told) {
    const std::string good_modulus = "\x80" + std::string(254, 'm') + "\x01", three("\x01\0\x01", 3);
    struct row {
        std::string modulus, exponent, why;
    };
    const std::vector<row> all{
        {good_modulus, three, ""},
        {std::string(2, '\0') + good_modulus, '\0' + three, ""},  // some write a zero in front
        {good_modulus, "\xff\xff\xff\xff\xff\xff\xff\xff", ""},
        {good_modulus, "\x01", "its exponent is even, or below 65537"},
        {good_modulus, "\x03", "its exponent is even, or below 65537"},
        {good_modulus, "\x11", "its exponent is even, or below 65537"},
        {good_modulus, "\xff\xff", "its exponent is even, or below 65537"},
        {good_modulus, std::string("\x01\0\0", 3), "its exponent is even, or below 65537"},
        {good_modulus, std::string("\x01\0\x02", 3), "its exponent is even, or below 65537"},
        {good_modulus, std::string("\0\0\0\x01", 4), "its exponent is even, or below 65537"},
        {good_modulus, std::string(1, '\0'), "its numbers are no base64url"},
        {good_modulus, std::string(8, '\x01') + "\x01", "its exponent is longer than 64 bits"},
        {good_modulus, std::string(250, '\xff'), "its exponent is longer than 64 bits"},
        {"\x7f" + good_modulus.substr(1), three, "it is shorter than 2048 bits"},
        {std::string(10, '\0') + good_modulus.substr(10), three, "it is shorter than 2048 bits"},
        {std::string(255, '\xff') + '\0', three, "its modulus is even"},
        {std::string(1025, '\x01'), three, "it is longer than 8192 bits"},
        {std::string(60'000, '\xff'), three, "it is longer than 8192 bits"},
        {"", three, "its numbers are no base64url"},
    };
    for (const auto& r : all) {
        const auto set = key_set::parse(signer::jwks(odd_jwk("odd", r.modulus, r.exponent) + "," + ours().jwk("k1")));
        ASSERT_TRUE(set) << r.why;
        EXPECT_EQ(set->has("odd"), r.why.empty()) << r.why;
        EXPECT_EQ(set->left_out().why, r.why);
        EXPECT_EQ(set->left_out().unfit, r.why.empty() ? 0U : 1U) << r.why;
        EXPECT_TRUE(set->has("k1"));
    }
    const auto alone = key_set::parse(signer::jwks(odd_jwk("odd", good_modulus, "\x01")));
    EXPECT_NE(alone.error().message.find("its exponent"), std::string::npos) << alone.error().message;
}

TEST(key_set, a_changed_exponent_is_another_key_and_an_id_has_one_key) {
    const std::string modulus = "\x80" + std::string(254, 'm') + "\x01";
    const auto one = *key_set::parse(signer::jwks(odd_jwk("a", modulus, std::string("\x01\0\x01", 3))));
    const auto other = *key_set::parse(signer::jwks(odd_jwk("a", modulus, std::string("\x01\0\x03", 3))));
    EXPECT_NE(one.ids(), other.ids());
    const auto twice = *key_set::parse(signer::jwks(theirs().jwk("k1", "") + "," + ours().jwk("k1")));
    EXPECT_EQ(twice.ids(), key_set::parse(signer::jwks(ours().jwk("k1")))->ids()) << "the one that says use: sig";
    EXPECT_EQ(twice.left_out().why, "another key has the same id");
    const auto same = *key_set::parse(signer::jwks(ours().jwk("k1") + "," + ours().jwk("k1")));
    EXPECT_EQ(same.left_out().unfit, 0U);
}

TEST(key_set, rubbish_does_not_push_the_right_key_out_and_what_is_left_out_is_told) {
    std::string many;
    for (int i = 0; i < 200; ++i) many += theirs().jwk("j" + std::to_string(i), "") + ",";
    const auto set = *key_set::parse(signer::jwks(many + ours().jwk("k1")));
    EXPECT_TRUE(set.has("k1"));
    EXPECT_EQ(set.size(), key_set::most_keys);
    EXPECT_EQ(set.left_out().more, 201 - key_set::most_keys);
}

TEST(verify_signature, the_whole_signature_counts_and_nothing_else) {
    const auto keys = *key_set::parse(signer::jwks(ours().jwk("k1")));
    const std::string token = ours().sign(usual_header, usual_payload);
    const auto dot = token.rfind('.');
    std::string payload;
    for (const auto& changed :
         {token.substr(0, dot) + ".AAAA", token.substr(0, dot) + "." + std::string(342, 'A'),
          token.substr(0, token.size() - 4), token + "AAAA",
          // What another token was signed with, over this one's claims.
          token.substr(0, dot) + ours().sign(usual_header, "{}").substr(ours().sign(usual_header, "{}").rfind('.'))})
        EXPECT_NE(verify_signature(changed, keys, {"k1", ""}, payload), token_error::none) << changed.substr(dot);
    EXPECT_TRUE(payload.empty());
}

TEST(verify_signature, only_by_the_key_that_the_head_names) {
    const auto keys = *key_set::parse(signer::jwks(ours().jwk("k1") + "," + theirs().jwk("k2")));
    const std::string token = ours().sign(usual_header, usual_payload);
    std::string payload;
    EXPECT_EQ(verify_signature(token, keys, {"k1", ""}, payload), token_error::none);
    EXPECT_EQ(payload, usual_payload);
    EXPECT_EQ(verify_signature(token, keys, {"k2", ""}, payload), token_error::signature);
    EXPECT_EQ(verify_signature(token, keys, {"k3", ""}, payload), token_error::unknown_key);
    for (const std::size_t at : {std::size_t{60}, token.size() - 10}) {
        auto changed = token;
        changed[at] = changed[at] == 'A' ? 'B' : 'A';
        EXPECT_NE(verify_signature(changed, keys, {"k1", ""}, payload), token_error::none) << at;
    }
}

TEST(read_claims, both_forms_of_entra) {
    core::token_claims c;
    ASSERT_EQ(read_claims(R"({"iss":"i","tid":"t","oid":"o","sub":"s","ver":"2.0","azp":"app2","appid":"app1",
                              "aud":["a","b"],"roles":["r"],"scp":"x  y ","groups":["g",1],"exp":10,"nbf":5,
                              "team":"shop","flag":true,"n":1})",
                          c),
              token_error::none);
    EXPECT_EQ(c.application, "app2");
    EXPECT_EQ(c.audiences, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(c.scopes, (std::vector<std::string>{"x", "y"}));
    EXPECT_EQ(c.groups, (std::vector<std::string>{"g"}));
    EXPECT_EQ(c.expires, wall_time(seconds(10)));
    EXPECT_EQ(c.not_before, wall_time(seconds(5)));
    const auto has = [&](const char* n, const char* v) {
        return std::find(c.others.begin(), c.others.end(), std::pair<std::string, std::string>(n, v)) !=
               c.others.end();
    };
    EXPECT_TRUE(has("team", "shop") && has("flag", "true") && has("roles", "r"));
    core::token_claims old;
    ASSERT_EQ(read_claims(R"({"ver":"1.0","azp":"app2","appid":"app1"})", old), token_error::none);
    EXPECT_EQ(old.application, "app1");
}

TEST(read_claims, times_that_make_no_sense_do_not_count) {
    for (const auto* exp : {"\"10\"", "-1", "1e300", "null", "[1]", "true"}) {
        core::token_claims c;
        EXPECT_EQ(read_claims(std::string(R"({"exp":)") + exp + "}", c), token_error::none);
        EXPECT_FALSE(c.expires) << exp;
    }
    core::token_claims c;
    EXPECT_EQ(read_claims(R"({"nbf":"soon"})", c), token_error::malformed);
    EXPECT_EQ(read_claims(R"([])", c), token_error::malformed);
}

provider_keys keys_of(const std::string& jwks) {
    provider_keys out;
    out.issuers = {"https://i"};
    out.keys = *key_set::parse(jwks);
    return out;
}

std::shared_ptr<token_provider> a_provider() {
    return std::make_shared<token_provider>("p", config::token_provider{}, nullptr);
}

TEST(token_provider, asks_for_unknown_keys_once_in_a_while) {
    auto p = a_provider();
    int woken = 0;
    p->on_wake([&] { ++woken; });
    const time_point now{hours(10)};
    EXPECT_TRUE(p->ask_for_keys(now)) << "the first reading is under way";
    EXPECT_EQ(woken, 0);
    p->end_refresh(keys_of(signer::jwks(ours().jwk("k1"))));
    EXPECT_TRUE(p->ask_for_keys(now));
    EXPECT_TRUE(p->ask_for_keys(now)) << "others may wait for the same";
    EXPECT_EQ(woken, 1);
    p->end_refresh(keys_of(signer::jwks(ours().jwk("k1"))));
    EXPECT_FALSE(p->ask_for_keys(now + minutes(4)));
    EXPECT_TRUE(p->ask_for_keys(now + minutes(5)));
    EXPECT_EQ(woken, 2);
}

TEST(token_provider, keeps_the_last_good_keys_and_tells_when_they_change) {
    auto p = a_provider();
    EXPECT_EQ(p->keys(), nullptr);
    p->end_refresh(keys_of(signer::jwks(ours().jwk("k1"))));
    const auto version = p->version();
    p->end_refresh(keys_of(signer::jwks(ours().jwk("k1"))));
    EXPECT_EQ(p->version(), version);
    p->end_refresh(fault{.code = "x", .message = "away"});
    EXPECT_NE(p->keys(), nullptr);
    EXPECT_EQ(p->version(), version);
    EXPECT_EQ(p->report().last_error, "away");
    // The same id with another key is another key.
    p->end_refresh(keys_of(signer::jwks(theirs().jwk("k1"))));
    EXPECT_NE(p->version(), version);
    EXPECT_TRUE(p->report().last_error.empty());
    EXPECT_EQ(p->report().refreshes, 3U);
}

TEST(verify_token, from_bytes_to_claims) {
    const wall_time now{seconds(1'000'000'000)};
    auto empty = a_provider(), p = a_provider();
    p->end_refresh(keys_of(signer::jwks(ours().jwk("k1"))));
    const provider_list all{{p, "", {"a"}, {"azure"}, minutes(2)}};
    const auto good = verify_token(ours().sign(usual_header, usual_payload), all, now);
    EXPECT_EQ(good.error, token_error::none);
    EXPECT_TRUE(good.signature_checked);
    EXPECT_FALSE(good.passthrough_only);
    const auto other = ours().sign(usual_header, R"({"iss":"https://j","exp":4000000000})");
    EXPECT_EQ(verify_token(other, all, now).error, token_error::unknown_issuer);
    const provider_list unread{{p, "", {"a"}, {}, {}}, {empty, "", {"a"}, {}, {}}};
    const auto waits = verify_token(other, unread, now);
    EXPECT_EQ(waits.error, token_error::keys_missing);
    EXPECT_EQ(waits.provider, 1U);
    EXPECT_EQ(verify_token(theirs().sign(usual_header, usual_payload), all, now).error, token_error::signature);
    const auto azure =
        verify_token(ours().sign(usual_header, R"({"iss":"https://i","aud":"azure","exp":4000000000})"), all, now);
    EXPECT_EQ(azure.error, token_error::none);
    EXPECT_TRUE(azure.passthrough_only);
    EXPECT_EQ(verify_token("x", all, now).error, token_error::malformed);
}

}  // namespace
}  // namespace spillway::identity
