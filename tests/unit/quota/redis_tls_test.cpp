#include <gtest/gtest.h>

#include "redis_gateway.hpp"
#include "unit/net/test_certificate.hpp"

namespace spillway::quota {
namespace {

using kind = verdict::kind;

// A Redis that offers TLS on a second port.
struct tls_redis {
    test_certificate certificate;
    int port{free_port()};
    redis_server server;

    explicit tls_redis(std::vector<std::string> more = {}) : server(with(std::move(more))) {}
    std::vector<std::string> with(std::vector<std::string> more) const {
        for (const auto& word : {std::string("--tls-port"), std::to_string(port), std::string("--tls-auth-clients"),
                                 std::string("no"), std::string("--tls-cert-file"), certificate.cert_file(),
                                 std::string("--tls-key-file"), certificate.key_file()})
            more.push_back(word);
        return more;
    }
    std::string url(const std::string& host = "localhost") const {
        return "rediss://" + host + ':' + std::to_string(port);
    }
};

gateway opened(const std::string& url, const std::string& ca_file, const std::string& password = {}) {
    gateway g;
    opening with;
    with.settings.store = url;
    with.settings.ca_file = ca_file;
    with.settings.burst = seconds(2);
    with.gateway = "a";
    with.password = password;
    with.alarm = [n = g.alarms](const std::string&) { ++*n; };
    g.s = std::move(open(std::move(with)).value());
    g.h = g.s->get("client:shop", rates({}, 60'000));
    return g;
}

TEST(redis_tls, counts_are_shared_through_it) {
    tls_redis redis;
    const auto a = opened(redis.url(), redis.certificate.ca_file());
    const auto b = opened(redis.url("127.0.0.1"), redis.certificate.ca_file());
    for (const auto* g : {&a, &b})
        ASSERT_TRUE(eventually([&] { return g->s->look().up; })) << g->s->look().last_error;
    ASSERT_EQ(a.take({1500, 0}).what, kind::granted);
    EXPECT_EQ(b.take({1900, 0}).what, kind::refused);
    // More than one record of TLS, and than one read.
    for (int i = 0; i < 2000; ++i)
        a.s->get("client:" + std::to_string(i), rates(60'000, 60'000))->take({1, 0}, clock::now(), wall_clock::now());
    const auto trips = a.s->look().round_trips;
    EXPECT_TRUE(eventually([&] { return a.s->look().round_trips > trips + 1; }));
    EXPECT_TRUE(a.s->look().up) << a.s->look().last_error;
    EXPECT_EQ(*a.alarms, 0);
}

TEST(redis_tls, a_certificate_that_is_not_trusted_or_has_another_name_is_refused) {
    tls_redis redis;
    const test_certificate other;
    const auto untrusted = opened(redis.url(), other.ca_file());
    ASSERT_TRUE(eventually([&] { return *untrusted.alarms == 1; }));
    EXPECT_NE(untrusted.s->look().last_error.find("certificate is refused"), std::string::npos)
        << untrusted.s->look().last_error;
    const auto elsewhere = opened(redis.url("127.0.0.2"), redis.certificate.ca_file());
    ASSERT_TRUE(eventually([&] { return *elsewhere.alarms == 1; }));
    const auto system = opened(redis.url(), {});
    ASSERT_TRUE(eventually([&] { return *system.alarms == 1; }));
    for (const auto* g : {&untrusted, &elsewhere, &system}) {
        EXPECT_FALSE(g->s->look().up);
        EXPECT_EQ(g->take({1, 0}).what, kind::granted) << "by its own share";
    }
}

TEST(redis_tls, one_side_without_it_is_told_apart) {
    tls_redis redis;
    const auto plain = opened("redis://127.0.0.1:" + std::to_string(redis.port), {});
    ASSERT_TRUE(eventually([&] { return *plain.alarms == 1; }));
    auto url = redis.server.url();
    url.replace(0, 5, "rediss");
    const auto tls = opened(url, redis.certificate.ca_file());
    ASSERT_TRUE(eventually([&] { return *tls.alarms == 1; }));
    EXPECT_NE(tls.s->look().last_error.find("TLS"), std::string::npos) << tls.s->look().last_error;
}

TEST(redis_tls, a_silent_redis_is_away_and_comes_back) {
    tls_redis redis;
    const auto a = opened(redis.url(), redis.certificate.ca_file());
    ASSERT_TRUE(eventually([&] { return a.s->look().up; }));
    redis.server.pause();
    ASSERT_TRUE(eventually([&] {
        a.take({1, 0});
        return !a.s->look().up;
    }));
    EXPECT_EQ(a.s->look().last_error, "no answer in time");
    redis.server.resume();
    EXPECT_TRUE(eventually([&] { return a.s->look().up; })) << a.s->look().last_error;
}

TEST(redis_tls, a_file_that_is_no_bundle_is_told_at_once) {
    opening with;
    with.settings.store = "rediss://localhost";
    with.settings.ca_file = "/nowhere/ca.pem";
    const auto s = open(std::move(with));
    ASSERT_FALSE(s);
    EXPECT_NE(s.error().message.find("/nowhere/ca.pem"), std::string::npos);
}

TEST(redis_tls, a_new_password_is_used_when_it_connects_again) {
    tls_redis redis({"--requirepass", "first"});
    const auto a = opened(redis.url(), redis.certificate.ca_file(), "first");
    ASSERT_TRUE(eventually([&] { return a.s->look().up; })) << a.s->look().last_error;
    a.s->renew(secret_text("second"));
    redis.server.kill();
    ASSERT_TRUE(eventually([&] {
        a.take({1, 0});
        return !a.s->look().up;
    }));
    redis.server.more({"--requirepass", "second"});
    redis.server.start();
    EXPECT_TRUE(eventually([&] { return a.s->look().up; })) << a.s->look().last_error;
}

}  // namespace
}  // namespace spillway::quota
