#include <spillway/base/random.hpp>
#include <spillway/base/text.hpp>

#include <gtest/gtest.h>

using namespace spillway;

TEST(text, glob_star_takes_any_run_and_everything_else_is_literal) {
    EXPECT_TRUE(text::glob_match("gpt-*", "gpt-4o"));
    EXPECT_TRUE(text::glob_match("gpt-*", "gpt-"));
    EXPECT_TRUE(text::glob_match("*", ""));
    EXPECT_TRUE(text::glob_match("a*b*c", "a-b-b-c"));
    EXPECT_FALSE(text::glob_match("a*b*c", "a-b-b"));
    EXPECT_FALSE(text::glob_match("gpt.4o", "gpt-4o"));
    EXPECT_FALSE(text::glob_match("", "x"));
}

TEST(text, glob_does_not_explode_on_many_stars) {
    const std::string pattern = "a*a*a*a*a*a*a*a*a*a*a*b", subject(5000, 'a');
    EXPECT_FALSE(text::glob_match(pattern, subject));
}

TEST(text, parse_unsigned_takes_digits_only_and_refuses_overflow) {
    EXPECT_EQ(text::parse_unsigned("18446744073709551615"), 18446744073709551615ULL);
    EXPECT_EQ(text::parse_unsigned("0"), 0ULL);
    for (const char* bad : {"", "+1", "-1", " 1", "1 ", "0x1", "18446744073709551616", "1e3"})
        EXPECT_FALSE(text::parse_unsigned(bad)) << bad;
}

TEST(text, hex_round_trip_and_refusal) {
    const std::array<std::uint8_t, 3> bytes{0x00, 0xAB, 0xFF};
    EXPECT_EQ(text::to_hex(bytes), "00abff");
    std::array<std::uint8_t, 3> back{};
    EXPECT_TRUE(text::from_hex("00ABff", back));
    EXPECT_EQ(back, bytes);
    EXPECT_FALSE(text::from_hex("00abf", back));
    EXPECT_FALSE(text::from_hex("00abfg", back));
}

TEST(text, constant_time_equal_compares_all_bytes) {
    const std::array<std::uint8_t, 2> a{1, 2}, b{1, 3};
    EXPECT_TRUE(text::constant_time_equal(a, a));
    EXPECT_FALSE(text::constant_time_equal(a, b));
    EXPECT_FALSE(text::constant_time_equal(a, std::span(b).first(1)));
}

TEST(random_source, same_seed_same_stream_and_values_are_in_range) {
    random_source a(7), b(7), c(8);
    bool differs = false;
    for (int i = 0; i < 1000; ++i) {
        const auto x = a.next();
        EXPECT_EQ(x, b.next());
        differs |= x != c.next();
        EXPECT_LT(a.below(10), 10U);
        b.below(10), c.below(10);
    }
    EXPECT_TRUE(differs);
}
