#include "../../../src/sim/instance.hpp"

#include <gtest/gtest.h>

using namespace spillway;
using namespace spillway::sim;

namespace {

class sim_instance : public ::testing::Test {
protected:
    sim_instance() : at(made()) {}

    static instance_options made() {
        instance_options o;
        o.name = "a";
        o.api_key = "secret";
        o.region = "West Europe";
        deployment_options standard, provisioned;
        standard.name = standard.model = "std";
        standard.quota.tokens_per_minute = 60;
        standard.quota.requests_per_minute = 600;
        provisioned.name = provisioned.model = "ptu";
        provisioned.type = "provisioned";
        provisioned.quota.ptu_tokens_per_minute = 20;
        o.deployments = {standard, provisioned};
        return o;
    }

    answer ask(const std::string& target, const std::string& body,
               const header_list& headers = {{"api-key", "secret"}}, const std::string& method = "POST") {
        exchange x;
        x.asked.method = method;
        x.asked.set_target(target);
        x.asked.body = body;
        x.asked.headers = headers;
        x.id = std::to_string(++id);
        at.begin(x);
        answer a = at.reply(x, now);
        at.add_headers(x, a, now);
        return a;
    }

    static std::string header(const answer& a, std::string_view name) {
        for (const auto& [n, value] : a.headers)
            if (n == name) return value;
        return {};
    }
    static std::string code(const answer& a) {
        return string_or(json::parse(a.pieces.at(0).bytes)["error"], "code", "");
    }

    instance at;
    time_point now{hours(1000)};
    int id{0};
    const std::string hello{R"({"model":"std","messages":[{"content":"hello"}]})"};
    const std::string dated{"/openai/deployments/std/chat/completions"};
};

}  // namespace

TEST_F(sim_instance, both_generations_of_the_interface_reach_the_deployment) {
    EXPECT_EQ(ask("/openai/v1/chat/completions", hello).status, 200);
    const answer a = ask(dated + "?api-version=2024-10-21", R"({"messages":[{"content":"hello"}]})");
    EXPECT_EQ(a.status, 200);
    EXPECT_EQ(header(a, "x-ms-deployment-name"), "std");
    EXPECT_EQ(header(a, "x-ms-region"), "West Europe");
    EXPECT_EQ(header(a, "x-sim-instance"), "a");
}

TEST_F(sim_instance, a_dated_request_without_its_version_finds_nothing) {
    EXPECT_EQ(ask(dated, hello).status, 404);
    EXPECT_EQ(ask("/openai/v1/nothing", hello).status, 404);
    EXPECT_EQ(ask("/other", hello).status, 404);
}

TEST_F(sim_instance, keys_are_accepted_as_key_or_bearer_and_nothing_else_is) {
    const std::string path = "/openai/v1/models";
    EXPECT_EQ(ask(path, "", {{"api-key", "secret"}}, "GET").status, 200);
    EXPECT_EQ(ask(path, "", {{"Authorization", "Bearer secret"}}, "GET").status, 200);
    EXPECT_EQ(ask(path, "", {}, "GET").status, 401);
    EXPECT_EQ(ask(path, "", {{"api-key", "wrong"}}, "GET").status, 401);
    EXPECT_EQ(ask(path, "", {{"Authorization", "Bearer x.y.z"}}, "GET").status, 401);
}

TEST_F(sim_instance, an_unknown_deployment_and_a_broken_body_have_azures_codes) {
    EXPECT_EQ(code(ask("/openai/v1/chat/completions", R"({"model":"none"})")), "DeploymentNotFound");
    EXPECT_EQ(ask(dated + "?api-version=1", "{").status, 400);
}

TEST_F(sim_instance, a_standard_deployment_shows_its_limits_and_tells_when_to_come_back) {
    const answer first = ask("/openai/v1/chat/completions", hello);
    EXPECT_EQ(header(first, "x-ratelimit-limit-tokens"), "60");
    EXPECT_EQ(header(first, "x-ratelimit-remaining-tokens"), "38");
    ask("/openai/v1/chat/completions", hello);
    now += milliseconds(500);
    const answer refused = ask("/openai/v1/chat/completions", hello);
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(header(refused, "Retry-After"), "60");
    EXPECT_EQ(header(refused, "retry-after-ms"), "59500");
    EXPECT_EQ(header(refused, "azure-openai-deployment-utilization"), "");
}

TEST_F(sim_instance, a_provisioned_deployment_shows_its_utilization_and_no_rate_limits) {
    const std::string body = R"({"model":"ptu","messages":[{"content":"hello"}]})";
    const answer first = ask("/openai/v1/chat/completions", body);
    EXPECT_EQ(first.status, 200);
    EXPECT_EQ(header(first, "azure-openai-deployment-utilization"), "110.0%");
    EXPECT_EQ(header(first, "x-ratelimit-limit-tokens"), "");
    const answer refused = ask("/openai/v1/chat/completions", body);
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(header(refused, "Retry-After"), "7");
    EXPECT_EQ(header(refused, "retry-after-ms"), "6001");
}

TEST_F(sim_instance, a_response_is_remembered_by_the_instance_that_made_it) {
    const answer made = ask("/openai/v1/responses", R"({"model":"std","input":"hi"})");
    ASSERT_EQ(made.status, 200);
    const std::string name = made.kept["id"];
    EXPECT_EQ(ask("/openai/v1/responses/" + name, "", {{"api-key", "secret"}}, "GET").status, 200);
    EXPECT_EQ(code(ask("/openai/v1/responses", R"({"model":"std","input":"hi","previous_response_id":"resp_x"})")),
              "previous_response_not_found");
    EXPECT_EQ(ask("/openai/v1/responses/" + name, "", {{"api-key", "secret"}}, "DELETE").status, 200);
    EXPECT_EQ(ask("/openai/v1/responses/" + name, "", {{"api-key", "secret"}}, "GET").status, 404);
}

TEST_F(sim_instance, models_are_listed_and_found_by_name) {
    const header_list key{{"api-key", "secret"}};
    EXPECT_EQ(json::parse(ask("/openai/v1/models", "", key, "GET").pieces[0].bytes)["data"].size(), 2U);
    EXPECT_EQ(json::parse(ask("/openai/v1/models/ptu", "", key, "GET").pieces[0].bytes)["id"], "ptu");
    EXPECT_EQ(ask("/openai/v1/models/none", "", key, "GET").status, 404);
}

TEST_F(sim_instance, counters_show_the_last_request_with_its_credentials) {
    ask("/openai/v1/chat/completions", hello, {{"API-Key", "secret"}, {"X-A", "1"}, {"x-a", "2"}});
    const json state = at.to_json(now);
    const json& d = state["deployments"]["std"];
    EXPECT_EQ(d["requests"], 1);
    EXPECT_EQ(d["last_request"]["headers"]["api-key"], "secret");
    EXPECT_EQ(d["last_request"]["headers"]["x-a"], "1, 2");
    EXPECT_EQ(d["last_request"]["body"], hello);
    at.clear_counters();
    EXPECT_EQ(at.to_json(now)["deployments"]["std"]["requests"], 0);
}
