#include <spillway/core/token.hpp>

#include <gtest/gtest.h>

#include <spillway/core/identity.hpp>
#include <spillway/http/head.hpp>

namespace spillway::core {
namespace {

const wall_time noon{hours(500'000)};

token_claims good_claims() {
    token_claims c;
    c.issuer = "https://login/t/v2.0";
    c.tenant = "T-1";
    c.application = "App";
    c.object = "obj";
    c.subject = "sub";
    c.audiences = {"api://spillway"};
    c.roles = {"Use"};
    c.scopes = {"read", "use"};
    c.groups = {"g1"};
    c.expires = noon + hours(1);
    c.others = {{"azp", "App"}, {"team", "shop"}, {"team", "ops"}};
    return c;
}

token_expectation expected() {
    token_expectation e;
    e.issuers = {"https://login/t/v2.0", "https://sts/t/"};
    e.tenant = "t-1";
    e.audiences = {"other", "api://spillway"};
    e.skew = minutes(2);
    return e;
}

TEST(judge_claims, takes_what_is_as_it_should_be) {
    EXPECT_EQ(judge_claims(good_claims(), expected(), noon), token_error::none);
    auto first_form = good_claims();
    first_form.issuer = "https://sts/t/";
    EXPECT_EQ(judge_claims(first_form, expected(), noon), token_error::none);
}

TEST(judge_claims, names_what_is_wrong) {
    auto c = good_claims();
    c.issuer = "https://login/t/v2.0/";
    EXPECT_EQ(judge_claims(c, expected(), noon), token_error::wrong_issuer);
    c = good_claims();
    c.tenant = "t-2";
    EXPECT_EQ(judge_claims(c, expected(), noon), token_error::wrong_issuer);
    c.tenant.clear();
    EXPECT_EQ(judge_claims(c, expected(), noon), token_error::wrong_issuer);
    auto no_tenant = expected();
    no_tenant.tenant.clear();
    EXPECT_EQ(judge_claims(c, no_tenant, noon), token_error::none);
    c = good_claims();
    for (const auto& audiences : {std::vector<std::string>{}, {"api://spillway2"}, {"API://SPILLWAY"}, {""}}) {
        c.audiences = audiences;
        EXPECT_EQ(judge_claims(c, expected(), noon), token_error::wrong_audience);
    }
    c = good_claims();
    c.expires.reset();
    EXPECT_EQ(judge_claims(c, expected(), noon), token_error::no_expiry);
}

TEST(judge_claims, times_count_to_the_second_with_the_skew) {
    auto c = good_claims();
    c.expires = noon;
    EXPECT_EQ(judge_claims(c, expected(), noon + minutes(2) - seconds(1)), token_error::none);
    EXPECT_EQ(judge_claims(c, expected(), noon + minutes(2)), token_error::expired);
    EXPECT_EQ(believed_until(c, expected()), noon + minutes(2));
    c = good_claims();
    c.not_before = noon + minutes(2);
    EXPECT_EQ(judge_claims(c, expected(), noon), token_error::none);
    c.not_before = noon + minutes(2) + seconds(1);
    EXPECT_EQ(judge_claims(c, expected(), noon), token_error::not_yet);
}

TEST(token_error, has_a_word_and_advice_each) {
    for (int i = 1; i <= static_cast<int>(token_error::no_expiry); ++i) {
        EXPECT_TRUE(to_string(token_error(i)).starts_with("token_")) << i;
        EXPECT_FALSE(describe(token_error(i)).empty()) << i;
    }
    EXPECT_EQ(to_string(token_error::no_expiry), "token_no_expiry");
}

token_rule rule(std::size_t client) {
    token_rule r;
    r.client = client;
    return r;
}

bool matches(const token_rule& r) {
    token_rules all;
    all.add(r);
    return all.find(good_claims(), 0).has_value();
}

TEST(token_rules, everything_that_is_asked_has_to_match_and_one_of_a_list_is_enough) {
    auto r = rule(0);
    EXPECT_TRUE(matches(r));
    r.application = "aPP";  // ids come in either case
    r.object = "OBJ";
    r.roles = {"No", "Use"};
    r.scopes = {"use"};
    r.groups = {"g1", "g2"};
    r.claims = {{"team", "ops"}};
    EXPECT_TRUE(matches(r));
    for (auto change : {+[](token_rule& x) { x.application = "other"; }, +[](token_rule& x) { x.object = "other"; },
                        +[](token_rule& x) { x.roles = {"use"}; }, +[](token_rule& x) { x.scopes = {"us"}; },
                        +[](token_rule& x) { x.groups = {"g3"}; }, +[](token_rule& x) { x.subject = "SUB"; },
                        +[](token_rule& x) { x.claims.emplace_back("team", "dev"); }}) {
        auto changed = r;
        change(changed);
        EXPECT_FALSE(matches(changed));
    }
}

TEST(token_rules, belong_to_their_provider) {
    auto r = rule(3);
    r.provider = 1;
    token_rules all;
    all.add(r);
    EXPECT_EQ(all.find(good_claims(), 0), std::nullopt);
    EXPECT_EQ(all.find(good_claims(), 1), 3U);
}

TEST(token_rules, who_asks_the_most_decides_and_of_equals_the_first) {
    token_rules all;
    all.add(rule(0));
    auto by_role = rule(1);
    by_role.roles = {"Use"};
    all.add(by_role);
    auto by_application = rule(2);
    by_application.application = "App";
    all.add(by_application);
    auto again = rule(3);
    again.application = "App";
    all.add(again);
    EXPECT_EQ(all.find(good_claims(), 0), 2U);
    auto by_object = rule(4);
    by_object.object = "obj";
    all.add(by_object);
    EXPECT_EQ(all.find(good_claims(), 0), 4U);
    auto stranger = good_claims();
    stranger.object = stranger.application = "x";
    EXPECT_EQ(all.find(stranger, 0), 1U);
    stranger.roles.clear();
    EXPECT_EQ(all.find(stranger, 0), 0U);
}

TEST(looks_like_token, tells_tokens_from_keys) {
    for (const auto* token : {"eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "eyJ..", "eyA.b.c", "ewo.b.c.d.e", "ewk.b.c"})
        EXPECT_TRUE(looks_like_token(token)) << token;
    for (const auto* key : {"", "eyJ", "eyJ.b", "spw_abc", "a.b.c", "eyJ.b.c d", "eyJ.b.c/", "sk-eyJ.b.c"})
        EXPECT_FALSE(looks_like_token(key)) << key;
}

TEST(key_table, keys_have_a_life) {
    key_table t;
    key_digest d{};
    d[0] = 1;
    t.add(d, 7, {noon, noon + hours(1)});
    EXPECT_EQ(t.find(d, noon - seconds(1)).state, key_state::not_yet);
    EXPECT_EQ(t.find(d, noon).state, key_state::valid);
    EXPECT_EQ(t.find(d, noon).client, 7U);
    EXPECT_EQ(t.find(d, noon + hours(1) - seconds(1)).state, key_state::valid);
    EXPECT_EQ(t.find(d, noon + hours(1)).state, key_state::expired);
}

TEST(key_table, without_times_a_key_counts_for_ever) {
    key_table t;
    EXPECT_EQ(t.find({}, noon).state, key_state::unknown);
    t.add({}, 1);
    for (const auto when : {wall_time{}, noon, wall_time(hours(2'000'000))})
        EXPECT_EQ(t.find({}, when).state, key_state::valid);
}

TEST(key_table, tells_which_of_a_clients_keys_it_was) {
    key_table t;
    key_digest d{};
    for (std::uint8_t i = 0; i < 40; ++i) {
        d[31] = i;  // all in the same slot
        t.add(d, i / 2, {noon, i % 2 == 0 ? noon : noon + hours(1)});
    }
    for (std::uint8_t i = 0; i < 40; ++i) {
        d[31] = i;
        const auto found = t.find(d, noon);
        EXPECT_EQ(found.key, i);
        EXPECT_EQ(found.client, i / 2U);
        EXPECT_EQ(found.state, i % 2 == 0 ? key_state::expired : key_state::valid);
    }
}

http::field_table fields_of(std::string_view text) {
    http::request_head head;
    EXPECT_EQ(http::parse_request(text, {}, head), http::head_error::none);
    return head.fields;
}

TEST(find_key, tells_where_it_came) {
    const auto found = [](const std::string& fields) {
        const std::string text = "GET / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
        const auto table = fields_of(text);
        const auto k = find_key(table);
        return std::string(k.value) + (k.as_bearer ? " as bearer" : "") + (k.ambiguous ? " ambiguous" : "");
    };
    EXPECT_EQ(found(""), "");
    EXPECT_EQ(found("api-key: k\r\n"), "k");
    EXPECT_EQ(found("Authorization: bEARER   k \r\n"), "k as bearer");
    EXPECT_EQ(found("Authorization: Bearer\r\n"), "");
    EXPECT_EQ(found("Authorization: Bearerk\r\n"), "");
    EXPECT_EQ(found("api-key: k\r\nAuthorization: Bearer k\r\n"), "k as bearer");
    EXPECT_EQ(found("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"), "a as bearer ambiguous");
    EXPECT_EQ(found("Authorization: Basic a\r\nOcp-Apim-Subscription-Key: k\r\n"), "k");
}

TEST(looks_like_token, each_way_to_begin_an_object_counts) {
    EXPECT_TRUE(looks_like_token("ew0.b.c"));
    EXPECT_TRUE(looks_like_token("eyJ.b.c=="));
    EXPECT_FALSE(looks_like_token("EyJ.b.c"));
    EXPECT_FALSE(looks_like_token("eyJ.b.c\n"));
}

TEST(judge_claims, a_token_at_the_ends_of_time) {
    auto c = good_claims();
    c.not_before = wall_time{};
    EXPECT_EQ(judge_claims(c, expected(), noon), token_error::none);
    auto exact = expected();
    exact.skew = duration::zero();
    c.expires = noon;
    c.not_before = noon;
    EXPECT_EQ(judge_claims(c, exact, noon), token_error::expired);
    EXPECT_EQ(judge_claims(c, exact, noon - seconds(1)), token_error::not_yet);
    c.expires.reset();
    EXPECT_EQ(believed_until(c, exact), wall_time::min());
}

TEST(token_rules, a_subject_weighs_like_an_object_and_more_than_all_the_rest) {
    token_rules all;
    EXPECT_TRUE(all.empty());
    auto much = rule(1);
    much.application = "App";
    much.roles = {"Use"};
    much.scopes = {"use"};
    much.groups = {"g1"};
    for (int i = 0; i < 30; ++i) much.claims.emplace_back("team", "shop");
    all.add(much);
    auto by_subject = rule(2);
    by_subject.subject = "sub";
    all.add(by_subject);
    EXPECT_FALSE(all.empty());
    EXPECT_EQ(all.find(good_claims(), 0), 2U);
    auto stranger = good_claims();
    stranger.subject = "SUB";
    EXPECT_EQ(all.find(stranger, 0), 1U);
    stranger.others.clear();
    EXPECT_EQ(all.find(stranger, 0), std::nullopt);
}

}  // namespace
}  // namespace spillway::core
