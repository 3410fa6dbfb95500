#include "../../../src/server/outbound.hpp"

#include <gtest/gtest.h>

#include <map>

namespace spillway::server {
namespace {

config::environment env(std::map<std::string, std::string, std::less<>> values) {
    return [values = std::move(values)](std::string_view name) -> std::optional<std::string> {
        const auto at = values.find(name);
        return at == values.end() ? std::nullopt : std::optional(at->second);
    };
}

result<std::string> hush(const config::secret_ref&) {
    return result<std::string>(boost::system::in_place_value, "hush");
}

std::string way(const net::proxy_rules& r, const std::string& endpoint, const std::string& address = {},
                config::instance_proxy how = config::instance_proxy::by_default) {
    config::instance of;
    of.endpoint = endpoint;
    of.proxy = how;
    const auto url = *http::parse_endpoint_url(endpoint);
    net::endpoint to;
    to.host = address.empty() ? url.host : address;
    to.port = url.port;
    const auto by = proxy_for(r, of, url, to);
    return by ? by.to_string() : "direct";
}

TEST(outbound_rules, come_from_the_environment_when_the_file_is_silent) {
    const auto r = outbound_rules({},
                                  env({{"HTTPS_PROXY", "http://u:p@secure:1"},
                                       {"https_proxy", ""},
                                       {"HTTP_PROXY", "http://capital:2"},
                                       {"http_proxy", "small:3"},
                                       {"NO_PROXY", "inside.test,10.0.0.0/8"}}),
                                  hush);
    ASSERT_TRUE(r);
    EXPECT_EQ(way(*r, "https://a.example"), "secure:1");
    EXPECT_EQ(r->for_https.authorization.view(), "Basic dTpw");
    EXPECT_EQ(way(*r, "http://a.example"), "small:3");
    EXPECT_EQ(way(*r, "https://x.inside.test"), "direct");
    EXPECT_EQ(way(*r, "https://a.example", "10.1.2.3"), "direct");
    EXPECT_EQ(way(*r, "https://x.inside.test", "192.0.2.7"), "direct");
    EXPECT_EQ(way(*r, "https://a.example", "127.0.0.1"), "direct");
    EXPECT_EQ(way(*r, "https://a.example", "", config::instance_proxy::none), "direct");
}

TEST(outbound_rules, the_file_counts_before_the_environment) {
    const auto e = env({{"HTTPS_PROXY", "http://other:1"}, {"NO_PROXY", "*"}});
    config::outbound from;
    from.proxy.emplace().none = true;
    EXPECT_EQ(*outbound_rules(from, e, hush), net::proxy_rules{});
    from.proxy.emplace();
    from.proxy->url = "http://proxy:3128";
    from.proxy->user = "u";
    from.proxy->password = config::secret_ref::env("P");
    from.proxy->no_proxy = {".corp"};
    const auto r = outbound_rules(from, e, hush);
    ASSERT_TRUE(r);
    EXPECT_EQ(way(*r, "https://a.example"), "proxy:3128");
    EXPECT_EQ(way(*r, "http://a.example"), "proxy:3128");
    EXPECT_EQ(way(*r, "https://a.corp"), "direct");
    EXPECT_EQ(r->for_http.authorization.view(), "Basic dTpodXNo");
}

TEST(outbound_rules, a_proxy_that_cannot_be_used_is_never_gone_around) {
    const auto bad = outbound_rules({}, env({{"HTTPS_PROXY", "socks5://u:hush@p:1"}}), hush);
    ASSERT_FALSE(bad);
    EXPECT_NE(bad.error().message.find("HTTPS_PROXY"), std::string::npos);
    EXPECT_EQ(bad.error().message.find("hush"), std::string::npos);
    const auto list = outbound_rules({}, env({{"HTTPS_PROXY", "p:1"}, {"NO_PROXY", "10.0.0.0/99"}}), hush);
    ASSERT_FALSE(list);
    EXPECT_NE(list.error().message.find("NO_PROXY"), std::string::npos);
    // Without a proxy nobody reads the list.
    EXPECT_TRUE(outbound_rules({}, env({{"NO_PROXY", "10.0.0.0/99"}}), hush));
}

}  // namespace
}  // namespace spillway::server
