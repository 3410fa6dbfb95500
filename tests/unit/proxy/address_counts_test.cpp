#include <gtest/gtest.h>

#include <spillway/proxy/address_counts.hpp>
#include <thread>
#include <vector>

namespace spillway::proxy {
namespace {

net::address at(const std::string& text) { return net::address::parse(text).value(); }

struct pair_case {
    const char *first, *second;
    bool same;
};

TEST(address_counts, an_address_is_one_of_ipv4_or_a_64_of_ipv6) {
    const pair_case cases[] = {
        {"192.0.2.7:1", "192.0.2.7:2", true},
        {"192.0.2.7:1", "192.0.2.8:1", false},
        {"[2001:db8::1]:1", "[2001:db8::ffff:1]:1", true},
        {"[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", false},
        {"[c000:207::]:1", "192.0.2.7:1", false},
    };
    for (const auto& c : cases) {
        address_counts counts(100);
        ASSERT_TRUE(counts.enter(at(c.first), 1));
        EXPECT_EQ(counts.enter(at(c.second), 1).has_value(), !c.same) << c.first << ' ' << c.second;
    }
}

TEST(address_counts, who_leaves_makes_room) {
    address_counts counts(100);
    std::vector<address_counts::place> places;
    for (int i = 0; i < 3; ++i) places.push_back(counts.enter(at("192.0.2.7:1"), 3).value());
    EXPECT_FALSE(counts.enter(at("192.0.2.7:1"), 3));
    // A limit that a reload has lowered or raised holds at once.
    EXPECT_FALSE(counts.enter(at("192.0.2.7:1"), 2));
    places.push_back(counts.enter(at("192.0.2.7:1"), 4).value());
    for (const auto p : places) counts.leave(p);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(counts.enter(at("192.0.2.7:1"), 3));
    EXPECT_FALSE(counts.enter(at("192.0.2.7:1"), 3));
}

// A crowd of addresses never keeps anybody out, and nearly all of it is counted.
TEST(address_counts, many_addresses_are_told_apart) {
    constexpr std::size_t many = 10'000;
    address_counts counts(many);
    std::vector<address_counts::place> places;
    std::size_t uncounted = 0, refused = 0;
    const auto name = [](std::size_t i) {
        return at("10." + std::to_string(i >> 16) + "." + std::to_string(i >> 8 & 255) + "." +
                  std::to_string(i & 255) + ":1");
    };
    for (std::size_t i = 0; i < many; ++i) {
        places.push_back(counts.enter(name(i), 1).value());
        uncounted += places.back() == address_counts::uncounted ? 1 : 0;
    }
    for (std::size_t i = 0; i < many; ++i) refused += counts.enter(name(i), 1) ? 0 : 1;
    EXPECT_LT(uncounted, many / 1000);
    EXPECT_EQ(refused, many - uncounted);
    // Beyond the table nobody is refused either.
    address_counts small(1);
    for (std::size_t i = 0; i < 1000; ++i) ASSERT_TRUE(small.enter(name(i), 1));
}

TEST(address_counts, a_table_suits_listeners_of_its_size) {
    address_counts counts(1000);
    EXPECT_TRUE(counts.suits(1000));
    EXPECT_TRUE(counts.suits(10));
    EXPECT_FALSE(counts.suits(100'000));
}

TEST(address_counts, holds_over_all_workers) {
    constexpr std::uint32_t limit = 5;
    address_counts counts(1000);
    std::atomic<std::uint32_t> inside{0}, most{0}, served{0};
    const auto work = [&] {
        for (int i = 0; i < 20'000; ++i) {
            const auto place = counts.enter(at("192.0.2.7:1"), limit);
            if (!place) continue;
            const auto now = ++inside;
            for (auto seen = most.load(); now > seen && !most.compare_exchange_weak(seen, now);) continue;
            ++served;
            --inside;
            counts.leave(*place);
        }
    };
    std::vector<std::thread> workers;
    for (int i = 0; i < 4; ++i) workers.emplace_back(work);
    for (auto& w : workers) w.join();
    EXPECT_LE(most, limit);
    EXPECT_GT(served, 0U);
    // Nothing is left behind.
    std::uint32_t places = 0;
    while (counts.enter(at("192.0.2.7:1"), limit)) ++places;
    EXPECT_EQ(places, limit);
}

}  // namespace
}  // namespace spillway::proxy
