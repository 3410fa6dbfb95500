#include "../../../src/sim/quota.hpp"

#include <gtest/gtest.h>

using namespace spillway;
using namespace spillway::sim;

namespace {
const time_point start{hours(1000)};
}

TEST(standard_quota, tokens_are_refused_until_the_minute_is_over) {
    standard_quota q({.tokens_per_minute = 1000, .requests_per_minute = 6000});
    EXPECT_TRUE(q.admit(600, start).admitted());
    EXPECT_EQ(q.remaining_tokens(start), 400U);
    const auto refused = q.admit(401, start + seconds(20));
    EXPECT_EQ(refused.reason, quota_reason::tokens);
    EXPECT_EQ(refused.retry_after, seconds(40));
    EXPECT_EQ(q.admit(401, start + milliseconds(59999)).reason, quota_reason::tokens);
    EXPECT_TRUE(q.admit(401, start + seconds(60)).admitted());
    EXPECT_EQ(q.remaining_tokens(start + seconds(60)), 599U);
}

TEST(standard_quota, a_refused_request_takes_no_tokens_but_counts_as_a_request) {
    standard_quota q({.tokens_per_minute = 100, .requests_per_minute = 12, .request_window = seconds(10)});
    EXPECT_EQ(q.remaining_requests(start), 2U);
    EXPECT_EQ(q.admit(101, start).reason, quota_reason::tokens);
    EXPECT_EQ(q.remaining_tokens(start), 100U);
    EXPECT_EQ(q.remaining_requests(start), 1U);
    EXPECT_TRUE(q.admit(10, start).admitted());
    const auto refused = q.admit(10, start + seconds(4));
    EXPECT_EQ(refused.reason, quota_reason::requests);
    EXPECT_EQ(refused.retry_after, seconds(6));
}

TEST(standard_quota, requests_are_judged_in_windows_shorter_than_the_minute) {
    standard_quota q({.requests_per_minute = 60, .request_window = seconds(10)});
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(q.admit(1, start).admitted()) << i;
    EXPECT_EQ(q.admit(1, start).reason, quota_reason::requests);
    EXPECT_TRUE(q.admit(1, start + seconds(10)).admitted());
}

TEST(standard_quota, six_requests_come_with_every_thousand_tokens) {
    EXPECT_EQ(standard_quota({.tokens_per_minute = 10000}).limit_requests(), 60U);
    EXPECT_FALSE(standard_quota(quota_limits{}).limited());
}

TEST(provisioned_quota, what_is_over_the_brim_waits_until_it_has_drained) {
    provisioned_quota q({.ptu_tokens_per_minute = 6000});
    EXPECT_TRUE(q.admit(5999, start).admitted());
    EXPECT_TRUE(q.admit(101, start).admitted()) << "the bucket was not full yet";
    EXPECT_NEAR(q.utilization(start), 101.7, 0.1);
    const auto refused = q.admit(1, start);
    EXPECT_EQ(refused.reason, quota_reason::utilization);
    EXPECT_GE(refused.retry_after, seconds(1));
    EXPECT_LT(refused.retry_after, milliseconds(1010));
    EXPECT_TRUE(q.admit(1, start + refused.retry_after).admitted());
}

TEST(provisioned_quota, the_end_of_a_call_gives_back_what_it_did_not_use) {
    provisioned_quota q({.ptu_tokens_per_minute = 6000});
    EXPECT_TRUE(q.admit(6000, start).admitted());
    EXPECT_FALSE(q.admit(1, start).admitted());
    q.settle(6000, 600, start);
    EXPECT_NEAR(q.utilization(start), 10.0, 0.01);
    EXPECT_TRUE(q.admit(1, start).admitted());
}
