#include <gtest/gtest.h>

#include "../../../src/server/status_usage.hpp"

namespace spillway::server {
namespace {

constexpr std::array<double, 3> bounds{1, 2, 4};

double at(std::array<std::uint64_t, 4> counts, double part) { return quantile(bounds, counts, part); }

TEST(quantile, lies_evenly_within_a_bucket) {
    EXPECT_DOUBLE_EQ(at({0, 10, 0, 0}, .5), 1.5);
    EXPECT_DOUBLE_EQ(at({10, 0, 10, 0}, .75), 3);
    EXPECT_DOUBLE_EQ(at({10, 0, 10, 0}, .5), 1);
}

TEST(quantile, above_the_last_bound_is_that_bound) { EXPECT_DOUBLE_EQ(at({1, 0, 0, 9}, .99), 4); }

TEST(quantile, of_nothing_is_zero) { EXPECT_DOUBLE_EQ(at({0, 0, 0, 0}, .5), 0); }

TEST(traffic, is_summed_over_workers_by_client_and_by_pool) {
    stats::label_table labels;
    const auto shop = labels.intern("shop"), chat = labels.intern("chat"), op = labels.intern("chat.completions");
    const auto ok = labels.intern("200"), busy = labels.intern("429");
    stats::worker_stats one, two;
    one.requests.at({shop, chat, op, ok}).add(3);
    two.requests.at({shop, chat, op, busy}).add(2);
    two.requests.at({0, 0, 0, labels.intern("401")}).add();
    one.usage.at({shop, chat, op, 0}).exact.prompt.add(70);
    two.usage.at({shop, chat, op, 0}).estimated.completion.add(30);
    two.usage.at({shop, chat, op, 0}).price_nanos.add(5);
    for (int i = 0; i < 4; ++i) two.request_seconds.at({chat, op}).observe(.3);
    const std::array<const stats::worker_stats*, 2> all{&one, &two};
    const auto t = traffic_of(labels, all);
    ASSERT_EQ(t["clients"].size(), 2u);
    EXPECT_EQ(t["clients"][0]["name"], "");
    EXPECT_EQ(t["clients"][0]["statuses"]["4xx"], 1);
    const auto& c = t["clients"][1];
    EXPECT_EQ(c["name"], "shop");
    EXPECT_EQ(c["requests"], 5);
    EXPECT_EQ(c["statuses"]["2xx"], 3);
    EXPECT_EQ(c["statuses"]["4xx"], 2);
    EXPECT_EQ(c["tokens"]["exact"]["prompt"], 70);
    EXPECT_EQ(c["tokens"]["estimated"]["completion"], 30);
    EXPECT_EQ(c["price_nanos"], 5);
    const auto& p = t["pools"][1];
    EXPECT_EQ(p["name"], "chat");
    EXPECT_EQ(p["seconds"]["count"], 4);
    EXPECT_GT(p["seconds"]["p50"].get<double>(), .25);
    EXPECT_LE(p["seconds"]["p99"].get<double>(), .5);
    EXPECT_TRUE(p["first_byte_seconds"].is_null());
}

}  // namespace
}  // namespace spillway::server
