#include "../../../src/sim/options.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "../../../src/sim/settings_reader.hpp"

using namespace spillway;
using namespace spillway::sim;

namespace {

std::string refusal(const std::string& yaml) {
    const auto o = read_options(yaml, "f");
    return o ? "" : o.error().message;
}

const std::string one = "instances:\n  a:\n    address: 127.0.0.1:0\n";

}  // namespace

TEST(options, the_example_in_the_repository_is_valid) {
    std::ifstream in(SPILLWAY_SOURCE_DIR "/config/simulator-example.yaml");
    std::ostringstream text;
    text << in.rdbuf();
    const auto o = read_options(text.str(), "example");
    ASSERT_TRUE(o) << o.error().message;
    EXPECT_EQ(o->instances.size(), 3U);
    EXPECT_TRUE(o->instances[0].deployments[0].provisioned());
    EXPECT_EQ(o->instances[0].deployments[0].full_model(), "gpt-4o-2024-11-20");
    ASSERT_EQ(o->faults.size(), 1U);
    EXPECT_EQ(o->faults[0].instance, "sec-std");
    EXPECT_EQ(o->faults[0].deployment, "gpt-4o");
}

TEST(options, an_unknown_key_is_named_with_its_line) {
    EXPECT_EQ(refusal(one + "    adress: x\n"), "f: line 4: instances.a.adress: is no key that the simulator knows");
}

TEST(options, a_key_that_occurs_twice_is_refused) {
    EXPECT_NE(refusal(one + "    address: 127.0.0.1:1\n").find("twice"), std::string::npos);
}

TEST(options, all_problems_are_told_at_once) {
    const std::string told = refusal(one + "    x: 1\n    y: 2\n    tls: maybe\n");
    EXPECT_NE(told.find("instances.a.x"), std::string::npos);
    EXPECT_NE(told.find("instances.a.y"), std::string::npos);
    EXPECT_NE(told.find("instances.a.tls"), std::string::npos);
}

TEST(options, secrets_come_from_the_environment) {
    ::setenv("SPILLWAY_SIM_TEST_KEY", "from-env", 1);
    const auto o = read_options(one + "    api_key: ${SPILLWAY_SIM_TEST_KEY}\n    bearer: ${NO_SUCH_NAME:-b}\n", "f");
    ASSERT_TRUE(o) << o.error().message;
    EXPECT_EQ(o->instances[0].api_key, "from-env");
    EXPECT_EQ(o->instances[0].bearer, "b");
    EXPECT_NE(refusal(one + "    api_key: ${NO_SUCH_NAME}\n"), "");
}

TEST(options, the_control_endpoint_stays_on_the_loopback) {
    EXPECT_NE(refusal("control: {address: 0.0.0.0:9400}\n" + one), "");
    EXPECT_EQ(refusal("control: {address: 127.0.0.1:9400}\n" + one), "");
}

TEST(options, limits_have_to_fit_the_type_of_deployment) {
    const std::string d = one + "    deployments:\n      d: {type: provisioned, tokens_per_minute: 5}\n";
    EXPECT_NE(refusal(d).find("ptu_tokens_per_minute"), std::string::npos);
}

TEST(options, tls_needs_a_certificate) { EXPECT_NE(refusal(one + "    tls: true\n"), ""); }

TEST(settings_reader, durations_have_a_unit) {
    EXPECT_EQ(parse_duration("20ms"), milliseconds(20));
    EXPECT_EQ(parse_duration("1.5s"), milliseconds(1500));
    EXPECT_EQ(parse_duration("2m"), minutes(2));
    EXPECT_EQ(parse_duration("0"), duration::zero());
    for (const char* bad : {"", "5", "ms", "5 ms", "-1s", "1d", "1e3s", "1.2.3s"})
        EXPECT_FALSE(parse_duration(bad).has_value()) << bad;
}
