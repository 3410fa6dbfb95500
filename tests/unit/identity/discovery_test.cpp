#include <spillway/identity/discovery.hpp>

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace spillway::identity {
namespace {

config::token_provider provider(const std::string& issuer) {
    config::token_provider out;
    out.issuer = issuer;
    return out;
}

std::string document(const std::string& issuer, const std::string& keys) {
    return nlohmann::json{{"issuer", issuer}, {"jwks_uri", keys}}.dump();
}

// "good", or what is told.
std::string told(const config::token_provider& of, const std::string& keys) {
    const auto r = read_discovery(document(of.tenant.empty() ? of.issuer : "https://i/" + of.tenant, keys), of);
    if (!r) return r.error().message;
    EXPECT_EQ(r->keys_url, keys);
    return "good";
}

TEST(discovery, keys_lie_on_the_providers_own_host) {
    const auto p = provider("https://id.example/realm");
    for (const auto* good : {"https://id.example/keys", "https://ID.example:443/a/b?c=d&e=%20", "HTTPS://id.example"})
        EXPECT_EQ(told(p, good), "good") << good;
    for (const auto* other :
         {"https://evil.example/keys", "https://id.example.evil.example/", "https://xid.example/",
          "https://127.0.0.1/", "https://169.254.169.254/metadata/identity/oauth2/token", "https://[::1]/",
          "https://id.example:8443/keys", "https://localhost:9901/config/reload",
          "https://login.microsoftonline.com/common/discovery/keys"})
        EXPECT_NE(told(p, other).find("on another host"), std::string::npos) << other;
}

TEST(discovery, nothing_but_visible_ascii_and_a_plain_address_is_an_address) {
    auto p = provider("https://id.example");
    const std::vector<std::string> bad{"",
                                       "x",
                                       "/keys",
                                       "//id.example/keys",
                                       "http://id.example/keys",
                                       "file:///etc/passwd",
                                       "ftp://id.example/",
                                       "https://",
                                       "https://id.example:0/",
                                       "https://id.example:99999/",
                                       "https://user@id.example/",
                                       "https://user:pw@id.example/",
                                       "https://id.example/x HTTP/1.1\r\nX-Evil: 1\r\n\r\nDELETE /everything",
                                       "https://id.example/a b",
                                       "https://id.example/?a b",
                                       "https://id.example/?a\r\nX-Evil: 1",
                                       "https://id.example/\t",
                                       "https://id.example\r\n/",
                                       " https://id.example/",
                                       "https://id.example/ ",
                                       "https://id.example/#a",
                                       "https://id.example/?a#b",
                                       "https://id.example\\.evil.example/",
                                       "https://id.example/\x7f",
                                       "https://id.example/\u00e4",
                                       "https://id.\u00e4xample/",
                                       std::string("https://id.example/\0", 20),
                                       "https://id.example/" + std::string(2048, 'a')};
    for (const bool insecure : {false, true}) {
        p.insecure = insecure;
        for (const auto& url : bad) {
            if (insecure && url.starts_with("http://")) continue;
            EXPECT_EQ(told(p, url), "names no usable jwks_uri") << url.substr(0, 100);
        }
    }
    p = provider("http://id.example");
    p.insecure = true;
    EXPECT_EQ(told(p, "http://id.example/keys"), "good");
}

TEST(discovery, the_hosts_of_one_provider_publish_for_each_other) {
    const std::string keys = "https://login.microsoftonline.com/common/discovery/v2.0/keys";
    EXPECT_EQ(told(provider("https://sts.windows.net/72f9/"), keys), "good");
    EXPECT_EQ(told(provider("https://login.microsoftonline.com/72f9/v2.0"), keys), "good");
    EXPECT_EQ(told(provider("https://accounts.google.com"), "https://www.googleapis.com/oauth2/v3/certs"), "good");
    EXPECT_EQ(told(provider("https://login.chinacloudapi.cn/72f9/"),
                   "https://login.partner.microsoftonline.cn/common/discovery/keys"),
              "good");
    config::token_provider tenant;
    tenant.tenant = "72f9";
    EXPECT_EQ(told(tenant, keys), "good");
    EXPECT_NE(told(tenant, "https://login.microsoftonline.us/common/discovery/keys"), "good") << "another cloud";
    EXPECT_NE(told(tenant, "https://www.googleapis.com/oauth2/v3/certs"), "good");
    EXPECT_NE(told(tenant, "https://login.windows.net:8443/keys"), "good");
    tenant.authority = "https://login.microsoftonline.us";
    EXPECT_EQ(told(tenant, "https://login.microsoftonline.us/common/discovery/keys"), "good");
}

TEST(discovery, the_configuration_may_list_more) {
    auto p = provider("https://kubernetes.default.svc");
    p.jwks_hosts = {"10.0.0.1:6443", "keys.example", "[fd00::1]:6443"};
    for (const auto* good :
         {"https://10.0.0.1:6443/openid/v1/jwks", "https://Keys.example/a", "https://[fd00::1]:6443/"})
        EXPECT_EQ(told(p, good), "good") << good;
    for (const auto* bad : {"https://10.0.0.1/", "https://10.0.0.1:6444/", "https://keys.example:6443/"})
        EXPECT_NE(told(p, bad), "good") << bad;
}

TEST(discovery, a_document_speaks_for_who_was_asked) {
    const auto p = provider("https://id.example");
    for (const auto* odd : {"", "[]", "7", "{", "null", R"({"issuer":["https://id.example"]})",
                            R"({"issuer":"https://id.example/"})", R"({"jwks_uri":"https://id.example/"})"})
        EXPECT_EQ(read_discovery(odd, p).error().message, "names another issuer") << odd;
    EXPECT_EQ(read_discovery(R"({"issuer":"https://id.example","jwks_uri":5})", p).error().message,
              "names no usable jwks_uri");
    const std::string deep = std::string(400'000, '[') + std::string(400'000, ']');
    EXPECT_FALSE(read_discovery(R"({"issuer":)" + deep + "}", p));
}

}  // namespace
}  // namespace spillway::identity
