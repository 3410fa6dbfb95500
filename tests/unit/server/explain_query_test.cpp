#include <gtest/gtest.h>

#include <spillway/server/explain.hpp>

namespace spillway::server {
namespace {

TEST(explain_query, comes_back_as_it_was_asked) {
    question q;
    q.client = "shop & co";
    q.deployment = "gpt-4o/a";
    q.operation = "embeddings";
    q.user = "\xC3\xA4=1";
    q.headers = {{"x-kind", "a=b&c"}, {"x-empty", ""}};
    const auto back = read_question(query_of(q));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->client, q.client);
    EXPECT_EQ(back->deployment, q.deployment);
    EXPECT_EQ(back->operation, q.operation);
    EXPECT_EQ(back->user, q.user);
    EXPECT_EQ(back->headers, q.headers);
}

TEST(explain_query, says_what_is_wrong) {
    EXPECT_EQ(read_question("client=a&deployment=b")->operation, "chat");
    for (const auto* bad : {"", "client=a", "deployment=b", "client=a&deployment=b&x=1", "client=%4&deployment=b",
                            "client=a&deployment=b&operation=magic"}) {
        const auto q = read_question(bad);
        ASSERT_FALSE(q) << bad;
        EXPECT_EQ(q.error().status, 400) << bad;
    }
}

}  // namespace
}  // namespace spillway::server
