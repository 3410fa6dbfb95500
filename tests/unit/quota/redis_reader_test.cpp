#include "../../../src/quota/redis_reader.hpp"

#include <gtest/gtest.h>

namespace spillway::quota {
namespace redis_reader_test {

using kind = redis_value::kind;

std::vector<redis_value> all_of(redis_reader& r) {
    std::vector<redis_value> out;
    while (auto v = r.next()) out.push_back(std::move(*v));
    return out;
}

TEST(redis_reader, takes_answers_apart_however_they_are_cut) {
    const std::string bytes =
        "+OK\r\n-WRONGTYPE of a key\r\n:-5\r\n$3\r\na\r\n\r\n$-1\r\n*3\r\n$1\r\n7\r\n:2\r\n$0\r\n\r\n";
    for (std::size_t part = 1; part <= bytes.size(); ++part) {
        redis_reader r;
        std::vector<redis_value> got;
        for (std::size_t at = 0; at < bytes.size(); at += part) {
            ASSERT_TRUE(r.feed(std::string_view(bytes).substr(at, part)));
            for (auto& v : all_of(r)) got.push_back(std::move(v));
        }
        ASSERT_EQ(got.size(), 6U) << part << r.error();
        EXPECT_EQ(got[0].what, kind::status);
        EXPECT_EQ(got[1].what, kind::error);
        EXPECT_EQ(got[1].text, "WRONGTYPE of a key");
        EXPECT_EQ(got[2].number, -5);
        EXPECT_EQ(got[3].text, "a\r\n");
        EXPECT_EQ(got[4].what, kind::nothing);
        ASSERT_EQ(got[5].items.size(), 3U);
        EXPECT_EQ(got[5].items[0].text, "7");
        EXPECT_EQ(got[5].items[1].number, 2);
        EXPECT_TRUE(r.empty());
    }
}

TEST(redis_reader, what_cannot_be_an_answer_breaks_at_once) {
    const std::string endless(redis_reader::most_line + 2, 'a');
    for (const auto& bytes :
         {std::string("$500000000000\r\n"), std::string("$1048577\r\n"), std::string("$-2\r\n"),
          std::string("*200000000\r\n"), std::string("*-2\r\n"), std::string(":9223372036854775808\r\n"),
          std::string(":1x\r\n"), std::string(":\r\n"), std::string("$+1\r\n"), std::string("HTTP/1.1 200 OK\r\n"),
          std::string("%1\r\n"), std::string(">2\r\n"), std::string("*1\r\n*1\r\n"), std::string("*1\r\n$-1\r\n"),
          std::string("*1\r\n+OK\r\n"), std::string("$1\r\nabc"), ":" + std::string(40, '1'), "+" + endless,
          "-" + endless}) {
        redis_reader r;
        r.feed(bytes);
        EXPECT_FALSE(r.next()) << bytes.substr(0, 20);
        EXPECT_TRUE(r.broken()) << bytes.substr(0, 20);
        EXPECT_FALSE(r.feed("+OK\r\n")) << "nothing is believed any more";
        EXPECT_FALSE(r.next());
        r.clear();
        EXPECT_TRUE(r.feed("+OK\r\n") && r.next());
    }
}

TEST(redis_reader, holds_a_megabyte_and_no_more) {
    redis_reader r;
    const std::string part = "$1000\r\n" + std::string(1000, 'a') + "\r\n";
    ASSERT_TRUE(r.feed("*16384\r\n"));
    std::size_t most = 0, fed = 0;
    while (!r.next() && !r.broken() && fed < 64 * redis_reader::most_bytes) {
        r.feed(part);
        fed += part.size();
        most = std::max(most, r.waiting());
    }
    EXPECT_TRUE(r.broken());
    EXPECT_LE(most, redis_reader::most_bytes + 128 * 1024);
    EXPECT_EQ(r.waiting(), 0U) << "what it held is let go";
}

}  // namespace redis_reader_test
}  // namespace spillway::quota
