#include "../../../src/sim/message.hpp"

#include <gtest/gtest.h>

using namespace spillway::sim;

TEST(request, parameters_and_headers_are_found_in_any_case) {
    request r;
    r.set_target("/a/b?x=1&API-Version=2024&flag&empty=");
    r.headers = {{"Api-Key", "k"}};
    EXPECT_EQ(r.path, "/a/b");
    EXPECT_EQ(r.parameter("api-version"), "2024");
    EXPECT_EQ(r.parameter("flag"), "");
    EXPECT_EQ(r.parameter("empty"), "");
    EXPECT_EQ(r.parameter("y"), "");
    EXPECT_EQ(r.header("API-KEY"), "k");
    EXPECT_EQ(r.header("other"), "");
}

TEST(percent_decoded, leaves_what_is_no_escape) {
    EXPECT_EQ(percent_decoded("gpt%2D4o"), "gpt-4o");
    EXPECT_EQ(percent_decoded("a%2"), "a%2");
    EXPECT_EQ(percent_decoded("%zz%"), "%zz%");
}

TEST(head_text, a_value_that_would_break_the_head_leaves_an_empty_answer) {
    EXPECT_NE(head_text(200, {{"A", "b"}}).find("A: b\r\n\r\n"), std::string::npos);
    const std::string broken = head_text(200, {{"A", "b\r\nC: d"}});
    EXPECT_EQ(broken.find("C: d"), std::string::npos);
    EXPECT_NE(broken.find("Content-Length: 0\r\n"), std::string::npos);
}
