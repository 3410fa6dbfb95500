#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <set>

#include "../fake_pool.hpp"

namespace spillway::core {

std::size_t hashed(const pick_from& from);

#define SPILLWAY_BALANCER(name) std::size_t name(const pick_from& from);
#include "../../../../src/core/balancers.inc"
#undef SPILLWAY_BALANCER

namespace {

struct row {
    std::string_view name;
    balancer pick;
};

// The table as it is once the documentation's line stands in it.
constexpr row table[] = {
#define SPILLWAY_BALANCER(name) {#name, &name},
#include "../../../../src/core/balancers.inc"
    SPILLWAY_BALANCER(hashed)
#undef SPILLWAY_BALANCER
};

constexpr time_point now = time_point(hours(1));

class hashed_pool {
public:
    explicit hashed_pool(const std::vector<plan_member>& members)
        : view(members.size()), plan_(make_plan(members, {}, &hashed)), state_(make_balancer_state(plan_)) {}

    std::size_t pick(std::uint64_t affinity) {
        return *select(plan_, {}, view, state_, now, random_, affinity).backend;
    }
    fake_pool view;

private:
    pool_plan plan_;
    balancer_state state_;
    random_source random_{7};
};

TEST(sample_balancer, is_one_line_of_the_table) {
    EXPECT_EQ(std::size(table), balancer_names().size() + 1);
    for (std::size_t i = 0; i < balancer_names().size(); ++i) {
        EXPECT_EQ(table[i].name, balancer_names()[i]);
        EXPECT_EQ(find_balancer(table[i].name) != nullptr, true);
    }
    EXPECT_EQ(table[std::size(table) - 1].name, "hashed");
}

TEST(sample_balancer, keeps_together_what_belongs_together_and_moves_no_one_else) {
    hashed_pool p({{1, 1}, {1, 1}, {1, 1}, {1, 1}});
    std::map<std::uint64_t, std::size_t> before;
    for (std::uint32_t client = 0; client < 500; ++client)
        for (const auto* user : {"", "ann", "ben"}) {
            const auto a = affinity_of(client, user);
            before[a] = p.pick(a);
            EXPECT_EQ(p.pick(a), before[a]);
        }
    EXPECT_EQ(before.size(), 1500U) << "users of a client are told apart";
    p.view.close(2, breaker_mode::throttled, now + minutes(1));
    std::map<std::size_t, int> gone_to;
    for (const auto& [a, at] : before) {
        const auto after = p.pick(a);
        if (at == 2) ++gone_to[after];
        else EXPECT_EQ(after, at);
    }
    EXPECT_EQ(gone_to.size(), 3U);
}

TEST(sample_balancer, shares_by_weight) {
    hashed_pool p({{1, 3}, {1, 1}});
    int heavy = 0;
    for (std::uint32_t client = 0; client < 4000; ++client) heavy += p.pick(affinity_of(client, {})) == 0;
    EXPECT_NEAR(heavy, 3000, 120);
}

}  // namespace
}  // namespace spillway::core
