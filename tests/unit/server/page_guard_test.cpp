#include "../../../src/server/page_guard.hpp"

#include <gtest/gtest.h>

namespace spillway::server {
namespace {

TEST(page_guard, addresses_and_localhost_are_the_listeners_own_names) {
    for (const auto* host : {"", "127.0.0.1", "127.0.0.1:9901", "10.1.2.3:80", "[::1]", "[::1]:9901", "localhost",
                             "localhost:9901", "LocalHost"})
        EXPECT_TRUE(is_own_host(host)) << host;
}

TEST(page_guard, names_that_somebody_can_register_are_not) {
    for (const auto* host :
         {"example.com", "example.com:9901", "localhost.example.com", "127.0.0.1.example.com",
          "127.0.0.1@example.com", "localhost.", "[example.com]", "[", "[]", ":", "[::1]evil.example",
          "[::1].evil.example:80", "[::1]:80x", "127.0.0.1:80.evil.example", "127.0.0.1:x", "0x7f.1", "2130706433"})
        EXPECT_FALSE(is_own_host(host)) << host;
}

TEST(page_guard, changes_come_from_no_page_or_from_an_own_one) {
    EXPECT_TRUE(is_same_origin("localhost:9901", "", ""));
    EXPECT_TRUE(is_same_origin("localhost:9901", "http://localhost:9901", "same-origin"));
    EXPECT_TRUE(is_same_origin("gw.example", "https://GW.example", ""));
    EXPECT_TRUE(is_same_origin("localhost:9901", "", "none"));
    EXPECT_FALSE(is_same_origin("localhost:9901", "http://localhost:3000", "same-site"));
    EXPECT_FALSE(is_same_origin("localhost:9901", "http://localhost:3000", ""));
    EXPECT_FALSE(is_same_origin("localhost:9901", "null", ""));
    EXPECT_FALSE(is_same_origin("", "http://evil.example", ""));
    EXPECT_FALSE(is_same_origin("localhost:9901", "", "cross-site"));
}

}  // namespace
}  // namespace spillway::server
