#include <gtest/gtest.h>

#include <string>

#include <spillway/base/json_text.hpp>
#include <spillway/base/utf8.hpp>

namespace spillway::text {
namespace {

TEST(json_text, is_valid_json_for_hostile_bytes) {
    std::string out;
    append_json_escaped(out, "a\"b\\c\n\x01\xC3\xA9\xC3\xED\xA0\x80\xF5");
    EXPECT_EQ(out, "a\\\"b\\\\c\\u000a\\u0001\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(json_text, each_byte_at_each_place) {
    for (int c = 0; c < 256; ++c)
        for (std::size_t before = 0; before < 3; ++before) {
            std::string in(before, 'x'), out;
            in += static_cast<char>(c);
            in += "tail";
            append_json_escaped(out, in);
            ASSERT_TRUE(utf8::valid(out)) << c;
            ASSERT_TRUE(out.ends_with("tail")) << c;
            const bool plain = c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
            ASSERT_EQ(out == in, plain) << c;
        }
}

TEST(json_text, strings_have_quotes_and_members_commas) {
    std::string out = "[";
    append_json_string(out, "a\"b");
    EXPECT_EQ(out, "[\"a\\\"b\"");
    std::string object = "{";
    append_json_member(object, "a", "1");
    append_json_member(object, "b\"", "{");
    append_json_member(object, "c", "");
    EXPECT_EQ(object + "}", R"({"a":"1","b\"":"{","c":""})");
}

}  // namespace
}  // namespace spillway::text
