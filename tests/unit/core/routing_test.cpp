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

bool sent(std::string_view name) { return outgoing_fields().admits(http::identify(name), name); }

TEST(header_rules, backends_see_an_allow_list) {
    for (const auto* name : {"Content-Type", "accept", "User-Agent", "OpenAI-Beta", "x-ms-client-request-id",
                             "traceparent", "aoai-evals", "x-ms-something"})
        EXPECT_TRUE(sent(name)) << name;
    for (const auto* name : {"api-key",
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

TEST(header_rules, at_most_ten_custom_fields_leave) {
    outgoing_fields f;
    int admitted = 0;
    for (int i = 0; i < 20; ++i) admitted += f.admits(http::field_id::unknown, "x-ms-feature-" + std::to_string(i));
    EXPECT_EQ(admitted, 9);  // the tenth is the correlation id
    EXPECT_EQ(f.dropped_for_number(), 11U);
    EXPECT_TRUE(f.admits(http::field_id::content_type, "content-type"));
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

TEST(classify, knows_the_operations_of_both_generations) {
    const std::tuple<std::string_view, std::string_view, std::string_view, generation> cases[] = {
        {"POST", "/openai/deployments/gpt-4o/chat/completions", "chat", generation::dated},
        {"POST", "/openai/deployments/x/completions", "completions", generation::dated},
        {"POST", "/openai/deployments/x/embeddings", "embeddings", generation::dated},
        {"POST", "/openai/deployments/x/images/generations", "images", generation::dated},
        {"POST", "/openai/deployments/x/audio/speech", "speech", generation::dated},
        {"POST", "/openai/v1/chat/completions", "chat", generation::v1},
        {"POST", "/v1/chat/completions", "chat", generation::v1},
        {"POST", "/openai/v1/responses", "responses", generation::v1},
        {"GET", "/openai/v1/models", "models", generation::v1},
        {"GET", "/openai/v1/models/gpt-4o", "models", generation::v1},
        {"GET", "/openai/models", "models", generation::dated},
    };
    for (const auto& [method, path, name, g] : cases) {
        const auto c = classify(method, path);
        ASSERT_TRUE(c) << path;
        EXPECT_EQ(c->op->name, name) << path;
        EXPECT_EQ(c->op->generation, g) << path;
    }
    EXPECT_EQ(classify("POST", "/openai/deployments/a%20b/embeddings")->deployment_raw, "a%20b");
    EXPECT_EQ(classify("GET", "/v1/models/x%20y")->model_id, "x%20y");
}

TEST(classify, tells_unknown_unserved_and_wrong_methods_apart) {
    const std::tuple<std::string_view, std::string_view, int> cases[] = {
        {"GET", "/openai/v1/embeddings", 405},
        {"POST", "/openai/v1/models", 405},
        {"DELETE", "/openai/deployments/x/chat/completions", 405},
        {"GET", "/openai/v1/responses/resp_1", 400},
        {"POST", "/openai/v1/responses/resp_1/cancel", 400},
        {"POST", "/openai/v1/files", 400},
        {"POST", "/openai/threads/runs", 400},
        {"GET", "/openai/realtime", 400},
        {"POST", "/openai/deployments/x/audio/transcriptions", 400},
        {"POST", "/openai/v1/filesystem", 404},
        {"POST", "/openai/deployments/x/nothing", 404},
        {"POST", "/openai/deployments//chat/completions", 404},
        {"POST", "/openai/deployments/x", 404},
        {"GET", "/", 404},
        {"GET", "/openai/v1/models/a/b", 404},
        {"POST", "/OPENAI/v1/chat/completions", 404},
    };
    for (const auto& [method, path, status] : cases) {
        const auto c = classify(method, path);
        ASSERT_FALSE(c) << path;
        EXPECT_EQ(c.error().status, status) << path;
    }
}

std::string target(std::string_view path, std::string_view query, std::string_view pinned = {},
                   std::string_view prefix = {}) {
    std::string out;
    append_upstream_target(out, *classify("POST", path), prefix, "my dep/1", query, pinned);
    return out;
}

TEST(upstream_target, has_the_backends_name_where_the_clients_was) {
    EXPECT_EQ(target("/openai/deployments/gpt/chat/completions", "api-version=2024-10-21"),
              "/openai/deployments/my%20dep%2F1/chat/completions?api-version=2024-10-21");
    EXPECT_EQ(target("/v1/embeddings", ""), "/openai/v1/embeddings");
    EXPECT_EQ(target("/openai/v1/embeddings", "api-version=preview", "", "/ai"),
              "/ai/openai/v1/embeddings?api-version=preview");
}

TEST(upstream_target, a_pinned_version_replaces_the_clients_on_dated_paths) {
    EXPECT_EQ(target("/openai/deployments/g/embeddings", "a=1&api-version=old&b=2", "2024-10-21"),
              "/openai/deployments/my%20dep%2F1/embeddings?a=1&b=2&api-version=2024-10-21");
    EXPECT_EQ(target("/openai/deployments/g/embeddings", "", "2024-10-21"),
              "/openai/deployments/my%20dep%2F1/embeddings?api-version=2024-10-21");
    EXPECT_EQ(target("/openai/v1/embeddings", "api-version=v1", "2024-10-21"),
              "/openai/v1/embeddings?api-version=v1");
}

TEST(stateful_requests, are_told_by_the_member_that_ties_them) {
    EXPECT_EQ(stateful_reason({}), std::nullopt);
    response_state_flags f;
    f.previous_response_id = true;
    ASSERT_TRUE(stateful_reason(f));
    EXPECT_EQ(stateful_reason(f)->status, 400);
    EXPECT_NE(stateful_reason(f)->message.find("previous_response_id"), std::string::npos);
}

}  // namespace
}  // namespace spillway::core
