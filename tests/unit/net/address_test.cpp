#include <spillway/net/address.hpp>

#include <gtest/gtest.h>

namespace spillway::net {
namespace {

address at(std::string_view text) { return *address::parse_forwarded(text); }

TEST(address, ipv4_behind_an_ipv6_socket_is_ipv4) {
    const auto mapped = *address::parse("[::ffff:192.0.2.7]:4711");
    EXPECT_EQ(mapped.unmapped().to_string(), "192.0.2.7:4711");
    EXPECT_EQ(mapped.unmapped().bytes().size(), 4U);
    for (const auto* text :
         {"192.0.2.7:1", "[2001:db8::1]:1", "[::1]:1", "[::192.0.2.7]:1", "[::fffe:192.0.2.7]:1"}) {
        const auto a = *address::parse(text);
        EXPECT_EQ(a.unmapped(), a) << text;
    }
    EXPECT_EQ(at("::ffff:10.1.2.3").ip(), "10.1.2.3");
    EXPECT_EQ(at("[::ffff:10.1.2.3]:80").ip(), "10.1.2.3");
}

TEST(network, holds_addresses_of_its_own_family_and_those_it_maps) {
    struct {
        std::string_view network, address;
        bool inside;
    } const cases[] = {
        {"127.0.0.0/8", "127.0.0.1", true},
        {"127.0.0.0/8", "::ffff:127.0.0.1", true},
        {"::ffff:127.0.0.0/104", "127.9.9.9", true},
        {"::ffff:0:0/96", "203.0.113.9", true},
        {"::ffff:127.0.0.1", "127.0.0.1", true},
        {"::ffff:127.0.0.1", "127.0.0.2", false},
        {"::/0", "203.0.113.9", true},
        {"::/0", "2001:db8::1", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"2001:db8::/32", "203.0.113.9", false},
        {"::/96", "203.0.113.9", false},
        {"::1", "127.0.0.1", false},
        {"10.0.0.0/8", "127.0.0.1", false},
    };
    for (const auto& c : cases)
        EXPECT_EQ(network::parse(c.network)->contains(at(c.address)), c.inside) << c.network << ' ' << c.address;
}

}  // namespace
}  // namespace spillway::net
