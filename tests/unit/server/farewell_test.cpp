#include <spillway/server/farewell.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace spillway::server {
namespace {

TEST(farewell, nothing_to_do_waits_for_nothing) {
    farewell f;
    EXPECT_TRUE(f.wait(time_point::max()).empty());
}

TEST(farewell, waits_until_all_steps_have_ended) {
    std::atomic<int> done{0};
    farewell f;
    for (int i = 0; i < 3; ++i) f.add("step", [&] { ++done; });
    EXPECT_TRUE(f.wait(clock::now() + seconds(20)).empty());
    EXPECT_EQ(done, 3);
}

TEST(farewell, names_who_is_left_behind_and_begins_all_at_once) {
    auto held = std::make_shared<std::promise<void>>();
    auto until = held->get_future().share();
    auto began = std::make_shared<std::promise<void>>();
    farewell f;
    f.add("Redis", [until] { until.wait(); });
    f.add("the ledger", [began] { began->set_value(); });
    began->get_future().wait();
    EXPECT_EQ(f.wait(clock::now() + milliseconds(20)), std::vector<std::string>{"Redis"});
    held->set_value();
    EXPECT_TRUE(f.wait(clock::now() + seconds(20)).empty());
}

}  // namespace
}  // namespace spillway::server
