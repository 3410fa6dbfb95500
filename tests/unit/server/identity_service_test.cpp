#include <gtest/gtest.h>

#include <spillway/server/identity_service.hpp>

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

}  // namespace
}  // namespace spillway::server
