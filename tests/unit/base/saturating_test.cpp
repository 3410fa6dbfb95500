#include <gtest/gtest.h>

#include <spillway/base/random.hpp>
#include <spillway/base/saturating.hpp>

namespace spillway {
namespace {

constexpr auto most = std::numeric_limits<std::int64_t>::max(), least = std::numeric_limits<std::int64_t>::min();

TEST(saturating, stays_at_the_end_of_its_range) {
    EXPECT_EQ(add_sat<std::int64_t>(2, 3), 5);
    EXPECT_EQ(add_sat<std::int64_t>(most, 1), most);
    EXPECT_EQ(add_sat<std::int64_t>(least, -1), least);
    EXPECT_EQ(sub_sat<std::int64_t>(least, 1), least);
    EXPECT_EQ(sub_sat<std::int64_t>(most, -1), most);
    EXPECT_EQ(sub_sat<std::int64_t>(0, least), most);
    EXPECT_EQ(mul_sat<std::int64_t>(most, 2), most);
    EXPECT_EQ(mul_sat<std::int64_t>(most, -2), least);
    EXPECT_EQ(add_sat<std::uint64_t>(UINT64_MAX, 1), UINT64_MAX);
    EXPECT_EQ(sub_sat<std::uint64_t>(1, 2), 0U);
    EXPECT_EQ(mul_sat<std::uint64_t>(UINT64_MAX, 2), UINT64_MAX);
    EXPECT_EQ(to_signed(UINT64_MAX), most);
    EXPECT_EQ(to_signed(7), 7);
}

TEST(saturating, is_the_exact_result_or_the_end_that_is_nearer_to_it) {
    __extension__ typedef __int128 wide;
    const auto clamped = [](wide n) { return n > most ? most : n < least ? least : static_cast<std::int64_t>(n); };
    random_source dice(20261127);
    for (int i = 0; i < 100'000; ++i) {
        // Of all sizes: most random 64 bits are large.
        const auto a = static_cast<std::int64_t>(dice.next()) >> (dice.next() & 63);
        const auto b = static_cast<std::int64_t>(dice.next()) >> (dice.next() & 63);
        ASSERT_EQ(add_sat(a, b), clamped(wide(a) + b)) << a << ' ' << b;
        ASSERT_EQ(sub_sat(a, b), clamped(wide(a) - b)) << a << ' ' << b;
        ASSERT_EQ(mul_sat(a, b), clamped(wide(a) * b)) << a << ' ' << b;
    }
}

TEST(saturating, a_shared_sum_saturates_too) {
    std::atomic<std::int64_t> sum{most - 1};
    add_sat(sum, 5);
    EXPECT_EQ(sum, most);
    add_sat(sum, -5);
    EXPECT_EQ(sum, most - 5);
}

}  // namespace
}  // namespace spillway
