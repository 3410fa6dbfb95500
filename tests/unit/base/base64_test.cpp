#include <spillway/base/base64.hpp>

#include <gtest/gtest.h>

#include <spillway/base/random.hpp>
#include <spillway/base/secret_text.hpp>

namespace spillway {
namespace {

TEST(base64, url_form_goes_there_and_back) {
    random_source random(1);
    for (std::size_t n = 0; n < 100; ++n) {
        std::string bytes;
        for (std::size_t i = 0; i < n; ++i) bytes += static_cast<char>(random.next());
        EXPECT_EQ(text::from_base64url(text::to_base64url(bytes)), bytes);
    }
    EXPECT_EQ(text::to_base64url("\xff\xfe\xfd"), "__79");
}

TEST(base64, one_text_has_one_spelling) {
    for (const auto* bad : {"A", "AAAAA", "AA=", "AA==", "A+", "A/", "A ", "A\n", "AB", "AAB", "\xc3\xa4"})
        EXPECT_FALSE(text::from_base64url(bad)) << bad;
    EXPECT_EQ(text::from_base64url("AA"), std::string(1, '\0'));
}

TEST(base64, the_usual_form_may_have_padding_and_lines) {
    EXPECT_EQ(text::from_base64("aGVs\r\nbG8="), "hello");
    EXPECT_FALSE(text::from_base64("aGVs-G8="));
}

TEST(base64, spells_as_the_standard_says) {
    // RFC 4648, section 10, without its padding.
    const char* const vectors[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},         {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, spelt] : vectors) {
        EXPECT_EQ(text::to_base64url(bytes), spelt);
        EXPECT_EQ(text::from_base64url(spelt), bytes);
        EXPECT_EQ(text::from_base64(spelt), bytes);
    }
    EXPECT_EQ(text::from_base64("+/+/"), text::from_base64url("-_-_"));
    EXPECT_FALSE(text::from_base64url("+/+/"));
    EXPECT_FALSE(text::from_base64("-_-_"));
    EXPECT_FALSE(text::from_base64(std::string_view("AA\0A", 4)));
}

TEST(base64, of_texts_that_differ_none_means_the_same) {
    // The last character of a text of three has two bits that belong to nothing.
    int good = 0;
    for (const char c : std::string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
        good += text::from_base64url(std::string("AA") + c).has_value() ? 1 : 0;
    EXPECT_EQ(good, 16);
}

TEST(secret_text, leaves_nothing_where_it_was) {
    std::string s(40, 's');
    const char* at = s.data();
    cleanse(s);
    EXPECT_TRUE(s.empty());
    EXPECT_EQ(std::string(at, 15), std::string(15, '\0'));  // the text's own memory, still held by it
    secret_text a(std::string(64, 'a'));
    secret_text b = std::move(a);
    EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
    EXPECT_EQ(b.view(), std::string(64, 'a'));
    a = b;
    EXPECT_EQ(a, b);
    a = secret_text();
    EXPECT_TRUE(a.empty());
}

}  // namespace
}  // namespace spillway
