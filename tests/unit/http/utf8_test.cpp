#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include <spillway/base/utf8.hpp>
#include <spillway/http/utf8.hpp>

namespace spillway::http {
namespace {

bool by_character(std::string_view s) {
    while (!s.empty()) {
        const auto n = utf8::length(s);
        if (n == 0) return false;
        s.remove_prefix(n);
    }
    return true;
}

TEST(utf8, whole_texts) {
    std::string long_text;
    for (int i = 0; i < 100; ++i) long_text += "plain \xC3\xA4 \xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x98\x80";
    for (const std::string& good : {std::string(), std::string("plain"), std::string(1000, 'a'), long_text,
                                    std::string("\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF")})
        EXPECT_TRUE(is_utf8(good)) << good;
}

TEST(utf8, a_slice_cuts_no_character) {
    std::string text;
    for (int i = 0; i < 30; ++i) text += "a\xC3\xA4\xE4\xBD\xA0\xF0\x9F\x98\x80";
    for (std::size_t most = 1; most < 40; ++most) {
        std::string_view rest = text;
        while (!rest.empty()) {
            const auto n = whole_characters(rest, std::max<std::size_t>(most, 4));
            ASSERT_GT(n, 0U);
            EXPECT_TRUE(is_utf8(rest.substr(0, n)));
            rest.remove_prefix(n);
        }
    }
    EXPECT_EQ(whole_characters("\x80\x80\x80\x80\x80\x80", 2), 1U) << "what is no UTF-8 stays none";
    EXPECT_EQ(whole_characters("abc", 10), 3U);
}

TEST(utf8, every_sequence_of_up_to_four_bytes_at_any_place_of_a_block) {
    // All pairs, and behind leads also the limits of what may follow them.
    const unsigned char following[] = {0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0};
    std::size_t place = 0;
    const auto check = [&place](std::initializer_list<unsigned> bytes) {
        std::string text(20 + place++ % 50, 'x');
        for (const auto each : bytes) text += static_cast<char>(each);
        text += std::string(place % 3, 'y');
        return is_utf8(text) == by_character(text);
    };
    for (unsigned a = 0x70; a < 0x100; ++a)
        for (unsigned b = 0; b < 0x100; ++b) {
            ASSERT_TRUE(check({a, b})) << a << ' ' << b;
            if (a < 0xE0) continue;
            for (const auto c : following)
                for (const auto d : {0x41U, 0x80U, 0xBFU})
                    ASSERT_TRUE(check({a, b, c, d})) << a << ' ' << b << ' ' << c << ' ' << d;
        }
}

TEST(utf8, characters_that_are_cut_short_at_the_end) {
    for (std::size_t before = 0; before < 70; ++before)
        for (const std::string part : {"\xC3", "\xE4\xBD", "\xF0\x9F\x98", "\xE4", "\xF0"}) {
            EXPECT_FALSE(is_utf8("\xC3\xA4" + std::string(before, 'x') + part)) << before;
            EXPECT_FALSE(is_utf8(std::string(before, 'x') + part + "plain text that goes on for a while, 32 bytes"))
                << before;
        }
}

}  // namespace
}  // namespace spillway::http
