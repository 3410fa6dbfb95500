#include <gtest/gtest.h>

#include <map>

#include <spillway/core/header_rules.hpp>
#include <spillway/core/identity.hpp>
#include <spillway/core/operation.hpp>
#include <spillway/core/router.hpp>

namespace spillway::core {
namespace {

http::field_table headers(std::initializer_list<std::pair<std::string_view, std::string_view>> all) {
    http::field_table t;
    for (const auto& [name, value] : all) t.add({name, value, http::identify(name)});
    return t;
}

route_rule rule(std::string deployment, std::size_t pool, std::vector<std::size_t> clients = {}) {
    route_rule r;
    r.deployment = std::move(deployment);
    r.all_clients = clients.empty();
    r.clients = std::move(clients);
    r.pools = {{pool, 1}};
    return r;
}

std::optional<std::size_t> pool_of(const router& r, std::size_t client, std::string_view deployment,
                                   std::size_t operation = 0, const http::field_table& fields = {}) {
    random_source random(1);
    const auto m = r.find({client, "c", "", operation, deployment}, fields, random);
    if (!m) return std::nullopt;
    return m->pool;
}

TEST(router, the_first_match_wins_over_exact_and_glob_together) {
    const router r({rule("gpt-4*", 0, {0}), rule("gpt-4o", 1), rule("*", 2), rule("late", 3)}, 2);
    EXPECT_EQ(pool_of(r, 0, "gpt-4o"), 0U);
    EXPECT_EQ(pool_of(r, 1, "gpt-4o"), 1U);
    EXPECT_EQ(pool_of(r, 1, "late"), 2U);
    const router narrow({rule("a", 0, {1})}, 2);
    EXPECT_EQ(pool_of(narrow, 0, "a"), std::nullopt);
    EXPECT_TRUE(narrow.knows("a"));
    EXPECT_FALSE(narrow.knows("b"));
    EXPECT_EQ(pool_of(narrow, 99, "a"), std::nullopt);
}

TEST(router, reaches_a_name_by_any_route_of_the_client) {
    auto chat = rule("gpt-5*", 0, {0});
    chat.operations = 1;
    chat.headers = {{"x-a", "b"}};
    const router r({chat, rule("exact", 0, {1})}, 2);
    EXPECT_TRUE(r.reaches(0, "gpt-5-codex"));
    EXPECT_TRUE(r.reaches(0, "gpt-5"));
    EXPECT_FALSE(r.reaches(0, "exact"));
    EXPECT_TRUE(r.reaches(1, "exact"));
    EXPECT_FALSE(r.reaches(1, "gpt-5"));
    EXPECT_FALSE(r.reaches(7, "exact"));
}

TEST(router, operations_and_headers_have_to_match) {
    auto chat = rule("d", 0);
    chat.operations = 1U << static_cast<unsigned>(family::chat);
    auto long_one = rule("d", 1);
    long_one.headers = {{"x-experiment", "long*"}, {"x-b", "1"}};
    const router r({chat, long_one}, 1);
    const auto embeddings = static_cast<std::size_t>(family::embeddings);
    EXPECT_EQ(pool_of(r, 0, "d", 0), 0U);
    EXPECT_EQ(pool_of(r, 0, "d", embeddings), std::nullopt);
    EXPECT_EQ(pool_of(r, 0, "d", embeddings, headers({{"X-Experiment", "longer"}, {"x-b", "1"}})), 1U);
    EXPECT_EQ(pool_of(r, 0, "d", embeddings, headers({{"X-Experiment", "longer"}})), std::nullopt);
}

TEST(router, a_request_without_a_name_goes_by_the_first_route_that_has_the_operation_and_a_pool_that_fits) {
    auto files = rule("gpt-4o", 1, {0});
    files.operations = 1U << static_cast<unsigned>(family::files);
    auto chat = rule("*", 0);
    chat.operations = 1U << static_cast<unsigned>(family::chat);
    auto parts = rule("x", 2);
    parts.pools = {{2, 0}, {3, 100}};
    auto special = rule("y", 4);
    special.headers = {{"x-experiment", "long"}};
    const router r({chat, files, special, parts}, 2);
    const auto asks = [&](std::size_t client, family of, std::optional<std::size_t> only = {},
                          const http::field_table& fields = {}) {
        const auto m = r.find_unnamed({client, "c", "", static_cast<std::size_t>(of), ""}, fields,
                                      [&](std::size_t pool) { return !only || pool == *only; });
        return m ? std::pair<int, int>(static_cast<int>(m->route), static_cast<int>(m->pool)) : std::pair(-1, -1);
    };
    EXPECT_EQ(asks(0, family::files), std::pair(1, 1));
    EXPECT_EQ(asks(1, family::files), std::pair(3, 2)) << "the second route is not this client's";
    EXPECT_EQ(asks(0, family::files, 3), std::pair(3, 3)) << "the part of a split that has the instance";
    EXPECT_EQ(asks(0, family::files, 0), std::pair(-1, -1)) << "that route does not have the operation";
    EXPECT_EQ(asks(0, family::chat), std::pair(0, 0));
    EXPECT_EQ(asks(0, family::files, 4), std::pair(-1, -1));
    EXPECT_EQ(asks(0, family::files, 4, headers({{"x-experiment", "long"}})), std::pair(2, 4));
}

route_rule split(config::stickiness sticky) {
    auto r = rule("d", 0);
    r.pools = {{0, 95}, {1, 5}};
    r.sticky = sticky;
    r.name = "blue-green";
    return r;
}

TEST(router, a_split_shares_by_weight) {
    const router r({split(config::stickiness::none)}, 1);
    random_source random(3);
    std::map<std::size_t, int> got;
    for (int i = 0; i < 10'000; ++i) ++got[r.find({0, "c", "", 0, "d"}, {}, random)->pool];
    EXPECT_NEAR(got[1], 500, 100);
}

TEST(router, a_sticky_split_keeps_clients_and_users_together) {
    random_source random(3);
    const router by_user({split(config::stickiness::user)}, 1);
    int second = 0;
    for (int i = 0; i < 4000; ++i) {
        const auto user = "user-" + std::to_string(i);
        const auto first = by_user.find({0, "c", user, 0, "d"}, {}, random)->pool;
        EXPECT_EQ(by_user.find({0, "c", user, 0, "d"}, {}, random)->pool, first);
        second += first == 1;
    }
    EXPECT_NEAR(second, 200, 60);
    const router by_client({split(config::stickiness::client)}, 1);
    const auto pool = by_client.find({0, "c", "a", 0, "d"}, {}, random)->pool;
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(by_client.find({0, "c", std::to_string(i), 0, "d"}, {}, random)->pool, pool);
}

TEST(key_table, finds_each_of_many) {
    key_table t;
    const auto digest = [](std::size_t i) {
        key_digest d{};
        random_source random(i);
        for (auto& b : d) b = static_cast<std::uint8_t>(random.next());
        return d;
    };
    const auto found = [&](const key_digest& d) { return t.find(d, wall_time{}); };
    EXPECT_EQ(found(digest(0)).state, key_state::unknown);
    for (std::size_t i = 0; i < 5000; ++i) t.add(digest(i), i);
    for (std::size_t i = 0; i < 5000; ++i) {
        EXPECT_EQ(found(digest(i)).state, key_state::valid);
        EXPECT_EQ(found(digest(i)).client, i);
    }
    EXPECT_EQ(found(digest(5000)).state, key_state::unknown);
    // Same slot, other key.
    auto near = digest(7);
    near[31] = static_cast<std::uint8_t>(near[31] ^ 1U);
    EXPECT_EQ(found(near).state, key_state::unknown);
}

TEST(find_key, takes_every_form_and_no_contradiction) {
    EXPECT_EQ(find_key(headers({{"Api-Key", "k"}})).value, "k");
    EXPECT_EQ(find_key(headers({{"Authorization", "bearer k"}})).value, "k");
    EXPECT_EQ(find_key(headers({{"Ocp-Apim-Subscription-Key", "k"}})).value, "k");
    EXPECT_EQ(find_key(headers({{"Authorization", "Basic k"}})).value, "");
    EXPECT_FALSE(find_key(headers({{"api-key", "k"}, {"Authorization", "Bearer k"}})).ambiguous);
    EXPECT_TRUE(find_key(headers({{"api-key", "k"}, {"Authorization", "Bearer j"}})).ambiguous);
    EXPECT_TRUE(find_key(headers({{"api-key", "k"}, {"api-key", "j"}})).ambiguous);
}

TEST(find_key, takes_x_api_key_only_where_nothing_else_is) {
    EXPECT_EQ(find_key(headers({{"x-api-key", "k"}})).value, "k");
    EXPECT_FALSE(find_key(headers({{"x-api-key", "k"}})).as_bearer);
    EXPECT_EQ(find_key(headers({{"x-api-key", "other"}, {"api-key", "k"}})).value, "k");
    EXPECT_FALSE(find_key(headers({{"x-api-key", "other"}, {"api-key", "k"}})).ambiguous);
    EXPECT_TRUE(find_key(headers({{"x-api-key", "k"}, {"X-API-KEY", "j"}})).ambiguous);
}

TEST(looks_like_key, tells_random_text_from_names) {
    for (const auto* key : {"0f1e2d3c4b5a69788796a5b4c3d2e1f0",  // 32 hexadecimal digits, as Azure's keys were
                            "3Jk9QxZ7bV2mT5nR8wL1pY4sD6fG0hAaSdFgHjKlQwErTyUiOpZxCvBnM1A2B3C4D5E6F7G8AACOGabcd",
                            "spw_kQ3vX9tLmN2pR7sY4wZ1aB6cD8eF0gHiJkLmNoPqRs", "sk-proj-aaaaaaaaaaaaaaaaaaaaaaaa",
                            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"})
        EXPECT_TRUE(looks_like_key(key)) << key;
    for (const auto* name :
         {"", "gpt-4o", "gpt-4o-mini-2024-07-18-batch-eastus2", "text-embedding-3-large-provisioned-westeurope",
          "MyCompanyGpt4oMiniDeploymentWestEurope", "chat-completions-for-the-shop-of-2024",
          "openai/gpt-4o-2024-11-20", "mistral-large-instruct-2411-data-zone", "OpenAI/Python 3.57.0", "12345"})
        EXPECT_FALSE(looks_like_key(name)) << name;
}

bool sent(std::string_view name) { return outgoing_fields().admits(http::identify(name), name); }

TEST(header_rules, backends_see_an_allow_list) {
    for (const auto* name : {"Content-Type", "accept", "User-Agent", "OpenAI-Beta", "x-ms-client-request-id",
                             "traceparent", "aoai-evals", "x-ms-something"})
        EXPECT_TRUE(sent(name)) << name;
    for (const auto* name : {"api-key",
                             "Content-Encoding",
                             "aoai-deployment",
                             "x-ms-oai-model",
                             "X-MS-Engine",
                             "Authorization",
                             "Ocp-Apim-Subscription-Key",
                             "x-api-key",
                             "Cookie",
                             "X-Forwarded-For",
                             "X-Azure-FDID",
                             "X-FD-HealthProbe",
                             "Via",
                             "Forwarded",
                             "X-Stainless-Lang",
                             "x-stainless-unheard-of",
                             "Host",
                             "Content-Length",
                             "Transfer-Encoding",
                             "Connection",
                             "Expect",
                             "Accept-Encoding",
                             "x-request-id",
                             "x-ms-spillover-deployment",
                             "x-ms-oai-image-generation-deployment",
                             "x-ms-other-deployment-name",
                             "X-MS-OTHER-DEPLOYMENT",
                             "X-Ms-Client-Principal",
                             "x-custom",
                             "openai-organization"})
        EXPECT_FALSE(sent(name)) << name;
}

TEST(header_rules, kind_openai_gets_none_of_azures_own_fields) {
    const auto sent_there = [](std::string_view name) {
        return outgoing_fields(config::instance_kind::openai).admits(http::identify(name), name);
    };
    for (const auto* name : {"Content-Type", "accept", "User-Agent", "OpenAI-Beta", "traceparent", "Idempotency-Key"})
        EXPECT_TRUE(sent_there(name)) << name;
    for (const auto* name : {"x-ms-client-request-id", "x-ms-something", "aoai-evals", "api-key", "Authorization",
                             "OpenAI-Organization", "x-ms-spillover-deployment"})
        EXPECT_FALSE(sent_there(name)) << name;
}

TEST(header_rules, at_most_ten_custom_fields_leave) {
    outgoing_fields f;
    int admitted = 0;
    for (int i = 0; i < 20; ++i) admitted += f.admits(http::field_id::unknown, "x-ms-feature-" + std::to_string(i));
    EXPECT_EQ(admitted, 9);  // the tenth is the correlation id
    EXPECT_EQ(f.dropped_for_number(), 11U);
    EXPECT_TRUE(f.admits(http::field_id::content_type, "content-type"));
}

TEST(header_rules, names_of_fields_and_parameters_that_choose_a_deployment) {
    for (const auto* name : {"x-ms-spillover-deployment", "X-Ms-Oai-Model", "aoai-deployment", "AOAI-Engine-Id"})
        EXPECT_TRUE(names_deployment(name)) << name;
    for (const auto* name : {"x-deployment", "x-ms-region", "aoai-evals", "azureml-model-deployment"})
        EXPECT_FALSE(names_deployment(name)) << name;
    for (const auto* name : {"deployment", "deployment-id", "deployment_id", "deploymentName", "%64eployment",
                             "DEPLOYMENT", "model", "engine", "Engine%5Fid", "x-ms-oai-model"})
        EXPECT_TRUE(param_names_deployment(name)) << name;
    for (const auto* name : {"api-version", "", "mode", "deploy", "%zz"})
        EXPECT_FALSE(param_names_deployment(name)) << name;
}

TEST(header_rules, clients_see_all_but_the_connections_own) {
    const auto relayed = [](std::string_view name) { return relayed_to_client(http::identify(name), name); };
    for (const auto* name :
         {"content-type", "retry-after", "x-ratelimit-remaining-tokens", "apim-request-id", "x-ms-region",
          "azure-openai-deployment-utilization", "x-accel-buffering", "x-unheard-of"})
        EXPECT_TRUE(relayed(name)) << name;
    for (const auto* name : {"connection",
                             "transfer-encoding",
                             "keep-alive",
                             "content-length",
                             "set-cookie",
                             "x-spillway-backend",
                             "Alt-Svc",
                             "trailer",
                             "openai-organization",
                             "OpenAI-Project",
                             "Access-Control-Allow-Origin",
                             "access-control-allow-credentials",
                             "Location",
                             "operation-location",
                             "content-location",
                             "Refresh",
                             "Link",
                             "URI",
                             "Clear-Site-Data",
                             "NEL",
                             "Report-To",
                             "X-Accel-Redirect",
                             "X-Sendfile",
                             "Public-Key-Pins",
                             "Set-Cookie2",
                             "Server"})
        EXPECT_FALSE(relayed(name)) << name;
}

}  // namespace
}  // namespace spillway::core
