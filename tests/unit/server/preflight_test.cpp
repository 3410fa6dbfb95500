#include <gtest/gtest.h>

#include <filesystem>

#include <spillway/server/preflight.hpp>
#include <spillway/server/process.hpp>

namespace spillway::server {
namespace {

std::string told(const config::tree& t, file_rule files = file_rule::needed) {
    std::vector<config::issue> issues;
    preflight(t, files, issues);
    std::string out;
    for (const auto& i : issues) out += config::format(i) + "\n";
    return out;
}

config::tree good() {
    config::tree t;
    t.listeners["public"].address = "127.0.0.1:8443";
    t.listeners["public"].limits.connections = 1;
    return t;
}

TEST(preflight, says_nothing_of_what_can_start) { EXPECT_EQ(told(good()), ""); }

TEST(preflight, addresses_that_are_none_or_the_same_in_two_spellings_are_errors) {
    for (const auto* bad : {"127.1:9901", "18311", "0:18311", "localhost:0", "nowhere.example:1"}) {
        auto t = good();
        t.admin.address = bad;
        EXPECT_NE(told(t).find("error: admin.address"), std::string::npos) << bad;
    }
    auto t = good();
    t.admin.address = "localhost:8443";
    EXPECT_NE(told(t).find("the same as that of listeners.public.address"), std::string::npos);
}

TEST(preflight, an_access_log_that_cannot_be_one_is_an_error) {
    auto t = good();
    t.log.access.file = std::filesystem::temp_directory_path();
    EXPECT_NE(told(t).find("error: log.access.file"), std::string::npos);
    EXPECT_NE(told(t, file_rule::if_there).find("error: log.access.file"), std::string::npos);
    t.log.access.file = "/dev/null/none/access.log";
    EXPECT_NE(told(t).find("error: log.access.file"), std::string::npos);
    EXPECT_EQ(told(t, file_rule::if_there), "") << "it will run somewhere else";
}

TEST(preflight, more_connections_than_descriptors_are_advised_against) {
    auto t = good();
    t.listeners["public"].limits.connections = 4'000'000'000U;
    EXPECT_NE(told(t).find("warning: listeners.public.limits.connections"), std::string::npos);
    EXPECT_EQ(most_connections(64), 32U);
    EXPECT_EQ(most_connections(1), 1U);
}

TEST(descriptor_reserve, lends_what_it_has_and_takes_it_back) {
    descriptor_reserve r(3);
    const auto before = open_descriptors();
    EXPECT_TRUE(r.lend(2));
    EXPECT_EQ(open_descriptors(), before - 2);
    EXPECT_TRUE(r.lend(5));
    EXPECT_FALSE(r.lend(1));
    r.refill();
    EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace spillway::server
