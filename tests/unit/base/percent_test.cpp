#include <gtest/gtest.h>

#include <array>
#include <string>

#include <spillway/base/percent.hpp>

namespace spillway::percent {
namespace {

TEST(percent, all_but_unreserved_characters_are_escaped) {
    std::string out;
    append_encoded(out, "gpt-4o_x.~ /%+\xC3\xA4");
    EXPECT_EQ(out, "gpt-4o_x.~%20%2F%25%2B%C3%A4");
    std::array<char, 5> memory;
    EXPECT_EQ(encode("a/b", memory), "a%2Fb");
    EXPECT_EQ(encode("a/b", std::span<char>(memory).first(4)), std::nullopt);
}

TEST(percent, decodes_into_memory_when_something_is_escaped) {
    std::array<char, 64> memory;
    EXPECT_EQ(decode("plain", {}), "plain");
    EXPECT_EQ(decode("a%20b%C3%a4+", memory), "a b\xC3\xA4+");
    EXPECT_EQ(decode("a%20", std::span<char>(memory).first(3)), std::nullopt);
}

TEST(percent, a_wrong_escape_spoils_the_text_or_stays) {
    std::array<char, 64> memory;
    for (const auto* bad : {"a%", "a%2", "a%2G", "%%41", "a%-1"}) {
        EXPECT_EQ(decode(bad, memory), std::nullopt) << bad;
        EXPECT_EQ(decoded(bad), std::nullopt) << bad;
    }
    EXPECT_EQ(decoded("a%2Fb"), "a/b");
    EXPECT_EQ(decoded(""), "");
    EXPECT_EQ(decoded_leniently("a%2Fb%2G%"), "a/b%2G%");
    EXPECT_EQ(decoded_leniently("%%41"), "%A");
}

TEST(percent, every_byte_comes_back) {
    std::string all, out;
    for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
    append_encoded(out, all);
    EXPECT_EQ(decoded(out), all);
    EXPECT_EQ(decoded_leniently(out), all);
}

}  // namespace
}  // namespace spillway::percent
