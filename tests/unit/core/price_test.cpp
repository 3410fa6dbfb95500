#include <gtest/gtest.h>

#include <limits>

#include <spillway/base/random.hpp>
#include <spillway/core/price.hpp>

namespace spillway::core {
namespace {

constexpr auto most = std::numeric_limits<std::int64_t>::max();

config::price priced(std::int64_t input, std::int64_t output) {
    config::price p;
    p.input = input;
    p.output = output;
    return p;
}

TEST(price, rounds_half_up_once) {
    EXPECT_EQ(price_of({1, 0}, priced(499, 0)), 0);
    EXPECT_EQ(price_of({1, 0}, priced(500, 0)), 1);
    EXPECT_EQ(price_of({1, 1}, priced(250, 250)), 1);
    EXPECT_EQ(price_of({1'000'000, 0}, priced(2'500'000, 0)), 2'500'000'000);
}

TEST(price, cached_and_audio_parts_have_their_own) {
    auto p = priced(1000, 2000);
    p.cached_input = 100;
    p.audio_input = 10'000;
    p.audio_output = 20'000;
    EXPECT_EQ(price_of({10, 10, 4, 0, 2, 5}, p), 4 * 1 + 0 + 2 * 10 + 5 * 2 + 5 * 20);
}

TEST(price, beyond_what_a_number_holds_it_stays_at_the_largest) {
    EXPECT_EQ(price_of({4'611'686'018'427'384'464, 0}, priced(2'500'000, 0)), most);
    EXPECT_EQ(price_of({4'611'686'018'427'384'464, 0}, priced(1'250'000, 0)), most);
    EXPECT_EQ(price_of({1'000'000'000'000'000, 0}, priced(10'000'000, 0)), most);
    EXPECT_EQ(price_of({UINT64_MAX, UINT64_MAX, UINT64_MAX, 0, UINT64_MAX, UINT64_MAX}, priced(most, most)), most);
}

TEST(price, is_never_negative_and_grows_with_the_tokens) {
    random_source dice(7);
    const auto any = [&dice] { return dice.next() >> (dice.next() & 63); };
    for (int i = 0; i < 50'000; ++i) {
        const auto p = priced(to_signed(any()), to_signed(any()));
        const token_counts t{any(), any(), any(), any(), any(), any()};
        token_counts plain{t.prompt, t.completion};
        const auto price = price_of(t, p);
        ASSERT_GE(price, 0);
        ASSERT_EQ(price, price_of(plain, p)) << "without prices of their own the parts change nothing";
        plain.prompt = add_sat<std::uint64_t>(plain.prompt, any());
        ASSERT_GE(price_of(plain, p), price);
    }
}

}  // namespace
}  // namespace spillway::core
