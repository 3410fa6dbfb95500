#include <spillway/server/identity_service.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

#include <spillway/net/acceptor.hpp>

namespace spillway::server {
namespace {

config::token_provider issued_by(const std::string& issuer) {
    config::token_provider p;
    p.issuer = issuer;
    return p;
}

TEST(identity_service, what_a_refused_configuration_asked_for_has_never_been) {
    identity_service s([](const std::string&) {}, {}, true);
    s.begin();
    const auto kept = s.provider("a", issued_by("https://a"), nullptr);
    s.keep_round();
    s.begin();
    EXPECT_EQ(s.provider("a", issued_by("https://a"), nullptr), kept);
    s.provider("b", issued_by("https://b"), nullptr);
    EXPECT_EQ(s.providers().size(), 2U);
    s.drop_round();
    EXPECT_EQ(s.providers().size(), 1U);
}

TEST(identity_service, a_refused_configuration_takes_nothing_away) {
    identity_service s([](const std::string&) {}, {}, true);
    s.begin();
    s.provider("a", issued_by("https://a"), nullptr);
    s.keep_round();
    s.begin();
    s.drop_round();
    EXPECT_EQ(s.providers().size(), 1U);
    s.begin();
    s.keep_round();
    EXPECT_EQ(s.providers().size(), 0U) << "a good one that does not want it does";
}

TEST(identity_service, tells_of_answers_from_the_moment_that_somebody_listens) {
    net::address nobody;
    {
        const int fd = *net::listen_on(*net::address::parse("127.0.0.1:0"), false);
        nobody = net::local_address(fd);
        ::close(fd);
    }
    std::mutex lock;
    std::condition_variable told;
    int calls = 0;
    identity_service s([](const std::string&) {});
    auto p = issued_by("http://" + nobody.to_string());
    p.insecure = true;
    s.begin();
    const auto provider = s.provider("a", p, nullptr);
    s.keep_round();
    s.on_answer([&] {
        const std::lock_guard held(lock);
        ++calls;
        told.notify_one();
    });
    std::unique_lock held(lock);
    EXPECT_TRUE(told.wait_for(held, seconds(20), [&] { return calls > 0 && !provider->refreshing(); }))
        << "that keys cannot be had is an answer, too";
    held.unlock();
    s.stop();
}

}  // namespace
}  // namespace spillway::server
