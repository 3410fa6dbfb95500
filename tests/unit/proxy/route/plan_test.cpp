#include "../../../../src/proxy/route/plan.hpp"

#include "../known_request.hpp"

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
    known_request from(kit, post(path, body, fields));
    auto& [at, asked, who] = from;
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

// Of a gateway that keeps objects: what becomes of a request, and where it is placed.
struct placed {
    std::string code;
    std::optional<std::size_t> route, pool, instance;
    std::uint64_t home{0};
};
placed place(room_kit& kit, const std::string& bytes) {
    known_request from(kit, bytes);
    auto& [at, asked, who] = from;
    plan way(at);
    const auto f = way.find(asked, who);
    const auto where = way.placement_of(asked, who);
    return {f ? std::string(f->code) : "", way.route, way.pool, where.instance, where.home};
}
// Its second pool has the first instance alone.
class keeping : public room_kit {
public:
    keeping() {
        keep_objects();
        auto first = config->pools[0].backends[0];
        pool p;
        p.name = "first";
        p.state = std::make_shared<shared_pool>(0.2);
        p.backends.push_back(std::move(first));
        config->pools.push_back(std::move(p));
    }
};

TEST(plan, a_list_is_served_where_one_instance_has_one_owners_objects) {
    const auto list = [](std::size_t pool, std::vector<std::pair<std::size_t, std::size_t>> others,
                         std::string_view owner_of_lab = "client:lab") {
        keeping kit;
        kit.config->clients[1].owner = owner_of_lab;
        kit.drop_routes();
        kit.add_route("*", {0}, pool);
        for (const auto& [client, its] : others) kit.add_route("*", {client}, its);
        return place(kit, get("/openai/v1/files")).code;
    };
    EXPECT_EQ(list(1, {}), "");
    EXPECT_EQ(list(0, {}), "ListsNotServed") << "two instances";
    EXPECT_EQ(list(1, {{1, 1}}), "ListsNotServed") << "two owners";
    EXPECT_EQ(list(1, {{1, 0}}), "ListsNotServed") << "the other owner comes there by another pool";
    EXPECT_EQ(list(1, {{1, 1}}, "client:shop"), "") << "two clients of one owner";
    EXPECT_EQ(list(1, {{0, 0}}), "") << "another route of the same client";
}

TEST(plan, a_list_inside_of_an_object_is_served) {
    keeping kit;
    EXPECT_EQ(place(kit, get("/openai/v1/vector_stores/" + kit.tagged("vs_abcdef") + "/files")).code, "");
}

TEST(plan, a_tie_leads_to_the_pool_that_has_its_instance) {
    const auto of = [](std::size_t instance, std::size_t pool) {
        keeping kit;
        kit.drop_routes();
        kit.add_route("*", {0}, pool);
        return place(kit, get("/openai/v1/files/" + kit.tagged("file-abcdef", instance)));
    };
    EXPECT_EQ(of(0, 1).pool, 1U);
    EXPECT_EQ(of(0, 1).instance, 0U);
    EXPECT_EQ(of(1, 0).instance, 1U);
    EXPECT_EQ(of(1, 1).code, "ObjectGone") << "no route of this client leads there";
    EXPECT_EQ(of(2, 0).code, "ObjectGone") << "the instance has left";
}

TEST(plan, a_deployment_has_to_be_served_where_the_object_lies) {
    const auto of = [](std::size_t instance) {
        keeping kit;
        kit.drop_routes();
        kit.add_route("gpt-4o", {0}, 1);
        return place(kit, post("/openai/v1/responses", R"({"model":"gpt-4o","previous_response_id":")" +
                                                           kit.tagged("resp_abcdef", instance) + R"("})"));
    };
    EXPECT_EQ(of(0).code, "");
    EXPECT_EQ(of(0).pool, 1U);
    EXPECT_EQ(of(1).code, "ObjectElsewhere");
}

TEST(plan, what_is_made_goes_to_its_owners_home) {
    const auto made = [](std::string_view key) {
        keeping kit;
        kit.add_route("*", {1});
        return place(kit, post("/openai/v1/threads", "{}", key));
    };
    const auto shop = made("api-key: shop-key\r\n");
    EXPECT_EQ(shop.code, "");
    EXPECT_FALSE(shop.instance);
    EXPECT_NE(shop.home, 0U);
    EXPECT_EQ(shop.home, made("api-key: shop-key\r\n").home);
    EXPECT_NE(shop.home, made("api-key: lab-key\r\n").home);
    keeping kit;
    EXPECT_EQ(place(kit, post("/openai/v1/chat/completions", R"({"model":"gpt-4o"})")).home, 0U)
        << "balanced as ever";
}

TEST(plan, reasoning_without_a_mark_needs_one_instance_or_an_open_house) {
    const auto of = [](std::string_view reasoning, std::size_t pool, bool open) {
        keeping kit;
        if (open) kit.tree->affinity->reasoning = config::reasoning_rule::open;
        kit.drop_routes();
        kit.add_route("gpt-4o", {0}, pool);
        const auto what = reasoning.empty() ? kit.marked("gAAAABo", 1) : std::string(reasoning);
        return place(
            kit, post("/openai/v1/responses",
                      R"({"model":"gpt-4o","input":[{"type":"reasoning","encrypted_content":")" + what + R"("}]})"));
    };
    EXPECT_EQ(of("gAAAABo", 0, false).code, "StatefulRequestNotSupported");
    EXPECT_EQ(of("gAAAABo", 1, false).code, "");
    EXPECT_EQ(of("gAAAABo", 0, true).code, "");
    EXPECT_EQ(of({}, 0, false).code, "");
    EXPECT_EQ(of({}, 0, false).instance, 1U);
}

}  // namespace plan_test
}  // namespace spillway::proxy
