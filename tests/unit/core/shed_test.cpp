#include <gtest/gtest.h>

#include <vector>

#include <spillway/core/shed.hpp>

namespace spillway::core {
namespace shed_test {

constexpr time_point start = time_point(hours(1));

backend_capacity known(std::int64_t limit, std::optional<std::int64_t> left = std::nullopt, time_point told = start) {
    return {true, 1, limit, left, told};
}
backend_capacity weighted(double weight) { return {true, weight, std::nullopt, std::nullopt, start}; }
backend_capacity sick(backend_capacity b) {
    b.usable = false;
    return b;
}

TEST(shed, share_of_a_pool_table) {
    struct row {
        const char* what;
        std::vector<backend_capacity> backends;
        double share;
        duration later{};
    };
    const row rows[] = {
        {"nothing is known: all is left", {weighted(1), weighted(1)}, 1},
        {"an open breaker leaves nothing there", {weighted(1), sick(weighted(3))}, 0.25},
        {"all open", {sick(weighted(1)), sick(weighted(3))}, 0},
        {"no backend", {}, 0},
        {"weight 0 counts for nothing", {weighted(1), sick(weighted(0))}, 1},
        {"by limit", {known(900), sick(known(100))}, 0.9},
        {"by what was told", {known(1000, 100), known(1000, 500)}, 0.3},
        {"it recovers evenly", {known(1000, 100)}, 0.55, seconds(30)},
        {"a reading is forgotten after a minute", {known(1000, 0)}, 1, seconds(60)},
        {"older still", {known(1000, 0)}, 1, hours(5)},
        {"a reading from the future is new", {known(1000, 200, start + seconds(9))}, 0.2},
        {"more left than the limit", {known(1000, 5000)}, 1},
        {"limit unknown for one: as the others by weight", {known(1000), sick(weighted(1))}, 0.5},
        {"none left of an unknown limit", {{true, 1, std::nullopt, 0, start}}, 0},
        {"some left of an unknown limit", {{true, 1, std::nullopt, 7, start}}, 1},
        {"a limit of nothing is none", {{true, 1, 0, std::nullopt, start}, sick(weighted(1))}, 0.5},
    };
    for (const auto& r : rows) EXPECT_NEAR(capacity_share(r.backends, start + r.later), r.share, 1e-9) << r.what;
}

TEST(shed, refuses_the_lower_classes_first_and_high_never) {
    config::shed below;
    below.low = 0.3;
    below.normal = 0.1;
    using enum config::priority_class;
    EXPECT_FALSE(shed(low, 0.3, below));
    EXPECT_TRUE(shed(low, 0.29, below));
    EXPECT_FALSE(shed(normal, 0.29, below));
    EXPECT_TRUE(shed(normal, 0.09, below));
    EXPECT_FALSE(shed(high, 0, below));
    below.normal = 0;
    EXPECT_FALSE(shed(normal, 0, below));
}

}  // namespace shed_test
}  // namespace spillway::core
