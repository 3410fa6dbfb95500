#include "../../../src/server/client_names.hpp"

#include <gtest/gtest.h>

namespace spillway::server {
namespace {

std::vector<std::string> shown(std::vector<std::string> deployments) {
    std::vector<core::route_rule> rules;
    for (auto& d : deployments) {
        core::route_rule r;
        r.all_clients = true;
        r.deployment = std::move(d);
        r.pools = {{0, 1}};
        rules.push_back(std::move(r));
    }
    const std::vector<pool_names> pools{{"main", "gpt-4o"}};
    return names_of_client(core::router(std::move(rules), 1), 0, pools);
}

using names = std::vector<std::string>;

TEST(client_names, show_what_can_be_called) {
    EXPECT_EQ(shown({"openai/gpt-4o", "a"}), (names{"a", "openai/gpt-4o"}));
    EXPECT_EQ(shown({"gpt-4*"}), names{"gpt-4o"}) << "the pool's model fits";
    EXPECT_EQ(shown({"*"}), (names{"gpt-4o", "main"}));
    EXPECT_EQ(shown({"gpt-5*"}), names{"gpt-5"}) << "the pattern itself, without its star, is a name";
    EXPECT_EQ(shown({"exp-*", "a*b", "*-mini"}), names{}) << "these are none";
}

}  // namespace
}  // namespace spillway::server
