#include "../../../src/http/json_blocks.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace spillway::http::json_blocks {
namespace {

#if defined(SPILLWAY_WIDE)
SPILLWAY_WIDE block load_wide(const char* p, std::size_t n) { return load<wide>(p, n); }
SPILLWAY_WIDE std::uint64_t inside_wide(std::uint64_t quotes, bool in_string) {
    return inside_strings<wide>(quotes, in_string);
}
SPILLWAY_WIDE int count_wide(std::uint64_t x) { return wide::count(x); }

// Otherwise machines of two kinds would book different tokens.
TEST(json_blocks, all_machines_see_the_same) {
    if (!has_wide) GTEST_SKIP() << "this machine has the base instructions alone";
    constexpr std::string_view often = "\"\\{}[]:, \n\t\x1f\x20\x21\x7f\x80\xff\x5b\x7b{}a";
    std::mt19937_64 dice(7);
    for (int round = 0; round < 20'000; ++round) {
        std::string text;
        while (text.size() < block_bytes)
            text += dice() % 3 == 0 ? static_cast<char>(dice()) : often[dice() % often.size()];
        const std::size_t n = round % 2 == 0 ? block_bytes : dice() % (block_bytes + 1);
        const block a = load<base>(text.data(), n), b = load_wide(text.data(), n);
        ASSERT_EQ(a.quote, b.quote);
        ASSERT_EQ(a.backslash, b.backslash);
        ASSERT_EQ(a.open, b.open);
        ASSERT_EQ(a.close, b.close);
        ASSERT_EQ(a.after_name, b.after_name);
        const std::uint64_t x = dice() & dice();
        ASSERT_EQ(inside_strings<base>(x, round % 3 == 0), inside_wide(x, round % 3 == 0));
        ASSERT_EQ(base::count(x), count_wide(x));
    }
}
#endif

TEST(json_blocks, a_string_reaches_from_its_first_quote_to_before_its_last) {
    EXPECT_EQ(inside_strings<base>(0b100010, false), 0b011110U);
    EXPECT_EQ(inside_strings<base>(0b100010, true) & 0b1111111, 0b1100001U);
}

}  // namespace
}  // namespace spillway::http::json_blocks
