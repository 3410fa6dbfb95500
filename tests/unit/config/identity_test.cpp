#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "support.hpp"

namespace spillway::config {
namespace {

// `more` goes behind a good configuration, as sections of their own.
std::string told_with(const std::string& more) { return told(check(good() + more, usual())); }

std::string told_of_client(const std::string& more) {
    return told(check(with(good(), "  shop:", "  extra: { " + more + " }\n  shop:"), usual()));
}

::testing::AssertionResult has(const std::string& all, const std::string& part) {
    if (all.find(part) != std::string::npos) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "not told: " << part << "\ntold:\n" << all;
}

const std::string a_hash = "sha256:" + std::string(64, 'a'), b_hash = "sha256:" + std::string(64, 'b');

TEST(identity_config, keys_are_hashes_or_maps_with_a_life) {
    const auto text = with(good(), "  shop:",
                           "  extra: { keys: [\"" + a_hash + "\", { hash: \"" + b_hash +
                               "\", label: ci, not_before: 2026-01-01, expires: "
                               "2026-12-31T18:00:00+01:00 }] }\n  shop:");
    const auto r = check(text, usual());
    ASSERT_TRUE(r) << told(r);
    const auto& keys = r->tree.clients.at("extra").keys;
    ASSERT_EQ(keys.size(), 2U);
    EXPECT_FALSE(keys[0].expires);
    EXPECT_EQ(keys[1].label, "ci");
    EXPECT_EQ(*keys[1].expires, std::chrono::sys_days(std::chrono::year(2026) / 12 / 31) + hours(17));
    EXPECT_EQ(*keys[1].not_before, std::chrono::sys_days(std::chrono::year(2026) / 1 / 1));
}

TEST(identity_config, keys_that_make_no_sense_are_told) {
    EXPECT_TRUE(has(told_of_client("keys: [{ hash: \"" + a_hash + "\", expires: tomorrow }]"),
                    "clients.extra.keys[0].expires: 'tomorrow' is neither a date nor a time"));
    for (const auto* bad : {"2026-02-30", "2026-1-1", "2026-01-01T25:00:00Z", "2026-01-01T10:00", "20260101"})
        EXPECT_TRUE(has(told_of_client("keys: [{ hash: \"" + a_hash + "\", expires: \"" + bad + "\" }]"), "neither"))
            << bad;
    EXPECT_TRUE(
        has(told_of_client("keys: [{ hash: \"" + a_hash + "\", not_before: 2026-02-01, expires: 2026-01-01 }]"),
            "the key ends before it begins"));
    EXPECT_TRUE(has(told_of_client("keys: [{ label: x }]"), "clients.extra.keys[0].hash: the key is missing"));
    EXPECT_TRUE(has(told_of_client("keys: [{ hash: \"" + a_hash + "\" }, \"" + a_hash + "\"]"),
                    "the key belongs to client extra already"));
    EXPECT_TRUE(has(told_of_client("keys: []"), "the client has no way to prove itself"));
}

TEST(identity_config, providers_and_those_who_rely_on_them) {
    const std::string provider = "token_providers:\n  t: { tenant: t1, audiences: [api://x] }\n";
    EXPECT_EQ(told_with(provider), "");
    EXPECT_TRUE(has(told_with("token_providers:\n  t: { audiences: [x] }\n"), "neither tenant nor issuer"));
    EXPECT_TRUE(has(told_with("token_providers:\n  t: { tenant: t, issuer: \"https://i\", audiences: [x] }\n"),
                    "a tenant and an issuer"));
    EXPECT_TRUE(has(told_with("token_providers:\n  t: { tenant: t }\n"), "no token would be taken"));
    EXPECT_TRUE(has(told_with("token_providers:\n  t: { issuer: \"http://i\", audiences: [x] }\n"),
                    "token_providers.t.issuer: the keys' source is not protected by TLS"));
    EXPECT_EQ(told_with("token_providers:\n  t: { issuer: \"http://i\", insecure: true, audiences: [x] }\n"), "");
    EXPECT_TRUE(has(told_with("token_providers:\n  t: { tenant: t, audiences: [\"https://ai.azure.com\"] }\n"),
                    "made for Microsoft's own API"));
    const auto with_host = [&](const std::string& host) {
        return told_with("token_providers:\n  t: { tenant: t1, audiences: [x], jwks_hosts: [\"" + host + "\"] }\n");
    };
    for (const auto* good : {"keys.example", "10.0.0.1:6443", "[fd00::1]:6443"})
        EXPECT_EQ(with_host(good), "") << good;
    for (const auto* bad :
         {"https://keys.example", "keys.example/keys", "", "a b", "*.example", "keys.example:0", "u@keys.example"})
        EXPECT_TRUE(has(with_host(bad), "token_providers.t.jwks_hosts[0]: this is no host")) << bad;
    for (const auto* bad : {"169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "metadata.google.internal"})
        EXPECT_TRUE(has(with_host(bad), "a metadata service lives there")) << bad;
    EXPECT_TRUE(has(told_with(provider + "  u: { tenant: t1, audiences: [x] }\n"),
                    "token_providers.u.tenant: provider t is for the same tenant"));
    EXPECT_TRUE(has(told_of_client("entra: { tenant: t9, application: a }"),
                    "clients.extra.entra.tenant: no token provider is configured for this tenant"));
    EXPECT_TRUE(has(told_of_client("openid: { provider: tt, subject: s }"),
                    "clients.extra.openid.provider: there is no token provider called 'tt'"));
    const auto everybody = with(good() + provider, "  shop:", "  extra: { entra: { tenant: t1 } }\n  shop:");
    EXPECT_TRUE(has(told(check(everybody, usual())), "every application and user of the tenant"));
}

TEST(identity_config, certificates) {
    EXPECT_TRUE(has(told_of_client("certificate: {}"), "nothing says which certificate it is"));
    EXPECT_TRUE(has(told_of_client("certificate: { names: [shop.example] }"),
                    "clients.extra.certificate.names[0]: the name's kind is missing"));
    EXPECT_TRUE(has(told_of_client("certificate: { fingerprints: [\"12:34\"] }"), "a fingerprint is a SHA-256"));
    EXPECT_TRUE(has(told_of_client("certificate: { names: [\"dns:shop\"] }"), "no listener asks for certificates"));
    const auto listener = [](const std::string& more) {
        return told(
            check(with(good(), "address: 127.0.0.1:8443 }", "address: 127.0.0.1:8443, " + more + " }"), usual()));
    };
    EXPECT_TRUE(has(listener("tls: { certificate: c, key: k, client_auth: required }"), "nobody may sign them"));
    EXPECT_TRUE(has(listener("forwarded_certificate: { header: X-Client-Cert }"), "anybody could send this header"));
    EXPECT_TRUE(has(listener("forwarded_certificate: { client_ca: c }"), "no header is named"));
    EXPECT_TRUE(has(listener("front_door: { ids: [x] }"), "the id is no secret"));
}

TEST(identity_config, credentials_have_one_source) {
    const auto credential = [](const std::string& c) {
        return told(check(with(good(), "key: { api_key: \"${KEY}\" }", "key: { " + c + " }"), usual()));
    };
    for (const auto* good_one :
         {"managed_identity: {}", "managed_identity: { client_id: a }", "workload_identity: {}",
          "client_secret: { tenant: t, client_id: c, secret: \"file:/s\" }",
          "client_certificate: { tenant: t, client_id: c, certificate: a, key: b }"})
        EXPECT_EQ(credential(good_one), "") << good_one;
    EXPECT_TRUE(has(credential(""), "credentials.key: the credential has no source"));
    EXPECT_TRUE(has(credential("api_key: \"${KEY}\", managed_identity: {}"), "several sources"));
    EXPECT_TRUE(has(credential("managed_identity: { client_id: a, object_id: b }"), "the identity is named twice"));
    EXPECT_TRUE(
        has(credential("client_secret: { tenant: t, client_id: c }"), "client_secret.secret: the key is missing"));
    EXPECT_TRUE(has(credential("workload_identity: { authority: \"http://x\" }"), "the authority is not protected"));
    EXPECT_TRUE(
        has(credential("chain: [nobody]"), "credentials.key.chain[0]: there is no credential called 'nobody'"));
    EXPECT_TRUE(has(credential("chain: [key]"), "a chain holds credentials that give tokens"));
}

TEST(identity_config, passthrough_needs_tokens) {
    const auto text = with(good(), "pool: p }", "pool: p, passthrough: true }");
    EXPECT_TRUE(has(told(check(text, usual())), "no token provider is configured"));
    EXPECT_TRUE(has(told(check(text + "token_providers:\n  t: { tenant: t1, audiences: [x] }\n", usual())),
                    "client shop brings no token"));
}

TEST(identity_config, moments_come_in_a_few_forms_and_mean_one_time) {
    const auto moment = [](const std::string& written) -> std::optional<wall_time> {
        const auto r =
            check(with(good(), "  shop:",
                       "  extra: { keys: [{ hash: \"" + a_hash + "\", expires: \"" + written + "\" }] }\n  shop:"),
                  usual());
        return r ? r->tree.clients.at("extra").keys.at(0).expires : std::nullopt;
    };
    const wall_time ten = std::chrono::sys_days(std::chrono::year(2028) / 2 / 29) + hours(10);
    for (const auto* written :
         {"2028-02-29T10:00:00Z", "2028-02-29 10:00:00z", "2028-02-29T15:30:00+05:30", "2028-02-28T23:00:00-11:00"})
        EXPECT_EQ(moment(written), ten) << written;
    EXPECT_EQ(moment("2028-02-29"), ten - hours(10));
    for (const auto* bad : {"2027-02-29", "2028-02-29T", "2028-02-29T10:00:00", "2028-02-29T24:00:00Z",
                            "2028-02-29T10:60:00Z", "2028-02-29T10:00:00+5:30", "2028-02-29T10:00:00+24:00",
                            "2028-02-29T10:00:00Zx", "2028/02/29", " 2028-02-29", "2028-13-01", "now", "1"})
        EXPECT_EQ(moment(bad), std::nullopt) << bad;
}

TEST(identity_config, everything_that_says_who_is_who_is_read) {
    const auto text = with(with(good() + R"(slow_down: { failures: 3, window: 2m, max_delay: 1s }
token_providers:
  t: { tenant: t1, audiences: [api://x], passthrough_audiences: ["https://ai.azure.com"], skew: 1m, refresh: 30m, unknown_key: 1m }
  o: { issuer: "https://o/", audiences: [x], ca_file: /ca }
)",
                                "  shop:",
                                R"(  entra:
    entra: { tenant: t1, application: a, object: o, roles: [r], scopes: [s], groups: [g] }
  openid:
    openid: { provider: o, subject: s, claims: { repository: r, flag: "true" } }
  paper:
    certificate: { names: ["dns:a", "uri:b", "email:c", "ip:d"], fingerprints: [")" +
                                    b_hash + R"("] }
  shop:)"),
                           "address: 127.0.0.1:8443 }",
                           "address: 127.0.0.1:8443, trusted_proxies: [10.0.0.0/8], forwarded_certificate: { header: "
                           "X-ARR-ClientCert, client_ca: /ca } }");
    const auto r = check(text, usual());
    ASSERT_TRUE(r) << told(r);
    EXPECT_EQ(told(r), "");
    const auto& t = r->tree;
    EXPECT_EQ(t.token_providers.at("t").skew, minutes(1));
    EXPECT_EQ(t.token_providers.at("t").refresh, minutes(30));
    EXPECT_EQ(t.token_providers.at("t").passthrough_audiences.size(), 1U);
    EXPECT_EQ(t.token_providers.at("o").issuer, "https://o/");
    EXPECT_EQ(t.token_providers.at("o").unknown_key, minutes(5));
    EXPECT_EQ(t.clients.at("entra").entra->scopes, std::vector<std::string>{"s"});
    EXPECT_EQ(t.clients.at("openid").openid->claims.at("flag"), "true");
    EXPECT_EQ(t.clients.at("paper").certificate->names.size(), 4U);
    EXPECT_EQ(t.slow_down.window, minutes(2));
    EXPECT_EQ(t.listeners.at("public").forwarded_certificate.header, "X-ARR-ClientCert");
}

TEST(identity_config, origins_are_those_that_browsers_send) {
    const auto cors = [](const std::string& what) {
        return told(check(with(good(), "127.0.0.1:8443 }", "127.0.0.1:8443, cors: { " + what + " } }"), usual()));
    };
    for (const auto* fine : {"origins: [\"https://a.example\", \"http://localhost:3000\", \"https://*.contoso.com\"]",
                             "origins: [\"*\"], max_age: 1h", "origins: [\"tauri://localhost\"], credentials: true"})
        EXPECT_EQ(cors(fine), "") << fine;
    const std::pair<const char*, const char*> cases[] = {
        {"origins: []", "no origin is listed"},
        {"origins: [\"https://a.example/\"]", "origins[0]: an origin has no path"},
        {"origins: [a.example]", "origins[0]: the origin has no scheme"},
        {"origins: [\"null\"]", "origins[0]: the origin has no scheme"},
        {"origins: [\"https://A.example\"]", "small letters"},
        {"origins: [\"https://a.example:443\"]", "the scheme's own port"},
        {"origins: [\"https://a.*.example\"]", "whole labels in front"},
        {"origins: [\"*\", \"https://a.example\"]", "list it alone"},
        {"origins: [\"*\"], credentials: true", "every page of the web"},
        {"credentials: true", "origins"},
    };
    for (const auto& [text, problem] : cases) EXPECT_TRUE(has(cors(text), problem)) << text << '\n' << cors(text);
}

TEST(identity_config, one_certificate_is_one_client) {
    const auto two = [](const std::string& what) {
        return told(
            check(with(good(), "  shop:",
                       "  one: { certificate: { " + what + " } }\n  two: { certificate: { " + what + " } }\n  shop:"),
                  usual()));
    };
    EXPECT_TRUE(has(two("names: [\"dns:a\"]"), "clients.two.certificate.names[0]: the name belongs to client one"));
    EXPECT_TRUE(has(two("fingerprints: [\"" + a_hash + "\"]"),
                    "clients.two.certificate.fingerprints[0]: the certificate belongs to client one"));
}

TEST(identity_config, what_is_too_wide_is_warned_of) {
    const std::string provider = "token_providers:\n  o: { issuer: \"https://i\", audiences: [x] }\n";
    EXPECT_TRUE(
        has(told(check(with(good() + provider, "  shop:", "  extra: { openid: { provider: o } }\n  shop:"), usual())),
            "everybody with a token of this provider is this client"));
    EXPECT_TRUE(has(told_of_client("groups: [g]"), "clients.extra: the client has no way to prove itself"));
}

class keys_file : public ::testing::Test {
protected:
    void TearDown() override { std::remove(path.c_str()); }
    check_result with_file(const std::string& text) {
        std::ofstream(path) << text;
        return check(good() + "keys_file: " + path + "\n", usual());
    }
    const std::string path = ::testing::TempDir() + "spillway_keys_" + std::to_string(::getpid()) + ".yaml";
};

TEST_F(keys_file, adds_to_the_clients_keys) {
    const auto r = with_file("shop:\n  - " + a_hash + "\n  - { hash: \"" + b_hash + "\", label: ci }\n");
    ASSERT_TRUE(r) << told(r);
    EXPECT_EQ(r->tree.clients.at("shop").keys.back().label, "ci");
    EXPECT_NE(r->hash, with_file("shop: []\n")->hash) << "replicas with other keys run another configuration";
}

TEST_F(keys_file, its_mistakes_are_told_with_their_place_in_it) {
    EXPECT_TRUE(has(told(with_file("nobody: [\"" + a_hash + "\"]\n")),
                    path + ":1:1: error: nobody: there is no client called 'nobody'"));
    EXPECT_TRUE(has(told(with_file("shop:\n  - mykey\n")), path + ":2:5: error: shop[0]: client keys are stored as"));
    EXPECT_TRUE(has(told(with_file("shop: [\"" + a_hash + "\", \"" + a_hash + "\"]\n")),
                    "the key belongs to client shop already"));
    EXPECT_TRUE(has(told(with_file("- x\n")), "the file holds no map"));
    EXPECT_TRUE(
        has(told(with_file("shop:\n  - { hash: \"" + a_hash + "\",\n      until: x }\n")), path + ":3:7: error"));
    EXPECT_TRUE(has(told(with_file("shop: {\n")), path + ":"));
    EXPECT_TRUE(
        has(told(check(good() + "keys_file: /nowhere/keys\n", usual())), "/nowhere/keys: error: the file cannot"));
}

TEST_F(keys_file, a_key_in_it_cannot_end_before_it_begins_either) {
    EXPECT_TRUE(
        has(told(with_file("shop: [{ hash: \"" + a_hash + "\", not_before: 2026-02-01, expires: 2026-01-01 }]\n")),
            "the key ends before it begins"));
}

}  // namespace
}  // namespace spillway::config
