#include "../../../../src/proxy/route/plan.hpp"

#include "../room_kit.hpp"

namespace spillway::proxy {
namespace plan_test {

constexpr std::string_view dated = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21";

struct answer {
    std::string code;
    std::optional<std::size_t> route, pool;
    std::string query;
};

answer find(room_kit& kit, std::string_view path, std::string_view body = "{}",
            std::string_view fields = "api-key: shop-key\r\n") {
    auto& at = kit.begin(post(path, body, fields));
    request asked(at);
    EXPECT_EQ(kit.run(asked.read_head()), request::arrival::complete);
    EXPECT_FALSE(asked.understand());
    EXPECT_FALSE(asked.classify());
    caller who(at);
    EXPECT_FALSE(who.identify(asked));
    EXPECT_TRUE(asked.body.is_here());
    EXPECT_FALSE(asked.read_terms());
    plan way(at);
    const auto f = way.find(asked, who);
    EXPECT_EQ(way.found, !f);
    return {f ? std::string(f->code) : "", way.route, way.pool, std::string(way.query_of(asked))};
}

TEST(plan, leads_to_the_pool_of_the_route) {
    room_kit kit;
    const auto a = find(kit, dated);
    EXPECT_EQ(a.code, "");
    EXPECT_EQ(a.route, 0U);
    EXPECT_EQ(a.pool, 0U);
    EXPECT_EQ(a.query, "api-version=2024-10-21");
}

TEST(plan, names_that_no_route_knows) {
    room_kit hidden, open, nobodys;
    EXPECT_EQ(find(hidden, dated, "{}", "api-key: lab-key\r\n").code, "DeploymentNotFound");
    open.tree->gateway.hide_existence = false;
    EXPECT_EQ(find(open, dated, "{}", "api-key: lab-key\r\n").code, "DeploymentForbidden");
    nobodys.tree->gateway.hide_existence = false;
    EXPECT_EQ(find(nobodys, "/openai/deployments/none/chat/completions").code, "DeploymentNotFound");
}

TEST(plan, a_name_beside_the_proper_place_needs_a_route_too) {
    room_kit bad, good, header;
    EXPECT_EQ(find(bad, "/openai/v1/chat/completions?deployment=secret", R"({"model":"gpt-4o"})").code,
              "DeploymentNotFound");
    const auto a = find(good, "/openai/v1/chat/completions?deployment=gpt-4o&x=1", R"({"model":"gpt-4o"})");
    EXPECT_EQ(a.code, "");
    EXPECT_EQ(a.query, "x=1") << "the backend never sees it";
    EXPECT_EQ(find(header, dated, "{}", "api-key: shop-key\r\nx-ms-oai-image-generation-deployment: secret\r\n").code,
              "DeploymentNotFound");
}

TEST(plan, what_the_body_names_needs_the_routes_consent) {
    room_kit kit;
    const auto a = find(kit, dated, R"({"messages":[],"data_sources":[{"type":"azure_search"}]})");
    EXPECT_EQ(a.code, core::own_data_not_allowed().code);
    EXPECT_EQ(a.route, 0U) << "the log tells which route refused";
    room_kit other;
    other.tree->routes[0].on_your_data = true;
    EXPECT_EQ(find(other, dated, R"({"messages":[],"data_sources":[{"type":"azure_search"}]})").code, "");
}

TEST(plan, tokens_that_are_passed_on_have_to_be_there) {
    room_kit kit;
    kit.tree->routes[0].passthrough = true;
    EXPECT_EQ(find(kit, dated).code, "TokenRequired");
}

}  // namespace plan_test
}  // namespace spillway::proxy
