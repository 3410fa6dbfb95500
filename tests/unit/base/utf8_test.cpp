#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include <spillway/base/utf8.hpp>

namespace spillway::utf8 {
namespace {

constexpr std::string_view not_utf8[] = {"\xC0\x80",
                                         "\xC1\xBF",
                                         "\xE0\x80\x80",
                                         "\xE0\x9F\xBF",
                                         "\xED\xA0\x80",
                                         "\xED\xBF\xBF",
                                         "\xF0\x8F\xBF\xBF",
                                         "\xF4\x90\x80\x80",
                                         "\xF5\x80\x80\x80",
                                         "\x80",
                                         "\xBF",
                                         "\xC3",
                                         "\xE2\x82",
                                         "\xF0\x9F\x98",
                                         "\xFF",
                                         "\xC3\xC3",
                                         "\xE2\x28\xA1",
                                         "\xF0\x9F\x28\x80"};

TEST(utf8, length_of_what_is_a_character) {
    EXPECT_EQ(length("a"), 1U);
    EXPECT_EQ(length(std::string_view("\0", 1)), 1U);
    EXPECT_EQ(length("\x7F"), 1U);
    EXPECT_EQ(length("\xC2\x80"), 2U);
    EXPECT_EQ(length("\xE0\xA0\x80"), 3U);
    EXPECT_EQ(length("\xED\x9F\xBF"), 3U);
    EXPECT_EQ(length("\xF0\x90\x80\x80"), 4U);
    EXPECT_EQ(length("\xF4\x8F\xBF\xBF"), 4U);
    for (const auto s : not_utf8) EXPECT_EQ(length(s), 0U) << s;
}

TEST(utf8, prefix_ends_where_text_ends) {
    EXPECT_EQ(prefix(""), 0U);
    EXPECT_TRUE(valid("plain text, longer than one word of the machine \xF0\x9F\x98\x80"));
    for (std::size_t before = 0; before < 20; ++before)
        for (const auto s : not_utf8) {
            const std::string front(before, 'x');
            EXPECT_EQ(prefix(front + std::string(s)), before) << s;
            EXPECT_FALSE(valid(front + std::string(s) + "more text behind it"));
        }
}

// Every scalar value is written and read as itself.
TEST(utf8, encodes_and_decodes_all_of_unicode) {
    for (char32_t c = 0; c <= 0x10FFFF; ++c) {
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        char room[4];
        const auto n = encode(c, room);
        std::size_t size = 0;
        const std::string_view s(room, n);
        if (length(s) != n || decode(s, 0, size) != c || size != n) FAIL() << std::hex << static_cast<unsigned>(c);
    }
    std::string out = "a";
    append(out, U'\u20AC');
    EXPECT_EQ(out, "a\xE2\x82\xAC");
}

TEST(utf8, each_maximal_part_of_a_broken_sequence_is_one_mark) {
    const std::string mark(replacement);
    EXPECT_EQ(repaired("plain \xC3\xA4"), "plain \xC3\xA4");
    EXPECT_EQ(repaired("\xE2\x82"), mark);
    EXPECT_EQ(repaired("\xE2\x82x"), mark + "x");
    EXPECT_EQ(repaired("\xF0\x9F\x98x"), mark + "x");
    EXPECT_EQ(repaired("\xF0\x9F\x98\xC3\xA4"), mark + "\xC3\xA4");
    EXPECT_EQ(repaired("\xC3\xC3\xA4"), mark + "\xC3\xA4");
    // These cannot begin anything, so each byte stands alone.
    EXPECT_EQ(repaired("\xC0\x80"), mark + mark);
    EXPECT_EQ(repaired("\xED\xA0\x80"), mark + mark + mark);
    EXPECT_EQ(repaired("\xF4\x90\x80\x80"), mark + mark + mark + mark);
    for (const auto s : not_utf8) EXPECT_TRUE(valid(repaired("a" + std::string(s) + "b"))) << s;
}

}  // namespace
}  // namespace spillway::utf8
