#include <gtest/gtest.h>

#include <array>

#include <spillway/core/told_time.hpp>
#include <spillway/http/date.hpp>

namespace spillway::core {
namespace told_time_test {

constexpr std::int64_t epoch = 1'800'000'000;
const wall_time now{seconds(epoch)};

std::string date(std::int64_t offset) {
    std::array<char, http::http_date_size> memory;
    return std::string(http::format_http_date(epoch + offset, memory));
}

std::optional<duration> told(const throttle_fields& f, int status = 429) { return told_time(f, status, now); }

TEST(told_time, every_form_of_retry_after) {
    EXPECT_EQ(told({.retry_after = "5"}), seconds(5));
    EXPECT_EQ(told({.retry_after = " 5 "}), seconds(5));
    EXPECT_EQ(told({.retry_after = "1.5"}), milliseconds(1500));
    EXPECT_EQ(told({.retry_after = "0"}), seconds(0));
    EXPECT_EQ(told({.retry_after = "86400"}), hours(24));
    EXPECT_EQ(told({.retry_after = date(7)}), seconds(7));
    EXPECT_EQ(told({.retry_after_ms = "800"}), milliseconds(800));
    EXPECT_EQ(told({.retry_after_ms = "12.5"}), microseconds(12500));
    EXPECT_EQ(told({.x_ms_retry_after_ms = "90"}), milliseconds(90));
}

TEST(told_time, the_exact_form_goes_first) {
    EXPECT_EQ(told({.retry_after = "9", .retry_after_ms = "800", .x_ms_retry_after_ms = "700"}), milliseconds(800));
    EXPECT_EQ(told({.retry_after = "9", .x_ms_retry_after_ms = "700"}), milliseconds(700));
    EXPECT_EQ(told({.retry_after = "9", .retry_after_ms = "soon"}), seconds(9));
}

TEST(told_time, a_date_counts_by_the_senders_clock) {
    // The sender's clock is an hour ahead of ours.
    const auto sent = date(3600), until = date(3605);
    EXPECT_EQ(told({.retry_after = until, .date = sent}), seconds(5));
    EXPECT_EQ(told({.retry_after = date(-5)}), std::nullopt);
}

TEST(told_time, a_date_may_have_the_old_forms_and_a_spoilt_date_field_leaves_our_clock) {
    // 1'800'000'000 is 2027-01-15 08:00:00.
    EXPECT_EQ(told({.retry_after = "Friday, 15-Jan-27 08:00:09 GMT"}), seconds(9));
    EXPECT_EQ(told({.retry_after = "Fri Jan 15 08:00:09 2027"}), seconds(9));
    EXPECT_EQ(told({.retry_after = date(9), .date = "yesterday"}), seconds(9));
    EXPECT_EQ(told({.retry_after = date(0)}), seconds(0));
}

TEST(told_time, a_spoilt_form_leaves_the_word_to_the_next_one) {
    EXPECT_EQ(told({.retry_after_ms = "-1", .x_ms_retry_after_ms = "70"}), milliseconds(70));
    EXPECT_EQ(told({.retry_after = "-1", .remaining_tokens = "0", .reset_tokens = "4"}), seconds(4));
    EXPECT_EQ(told({.retry_after = date(-60), .remaining_tokens = "0", .reset_tokens = "4"}), seconds(4));
    EXPECT_EQ(told({.retry_after_ms = "0", .remaining_tokens = "0", .reset_tokens = "4"}), seconds(0));
}

TEST(told_time, what_makes_no_sense_is_nothing) {
    for (const auto* bad : {"", "-1", "+1", "soon", "1e3", "1,5", "0x10", "nan", "inf", "5 s", "."})
        EXPECT_EQ(told({.retry_after = bad}), std::nullopt) << bad;
    EXPECT_LE(*told({.retry_after = "99999999999999999999"}), hours(24 * 366));
}

TEST(told_time, reset_fields_count_for_429_when_nothing_remains) {
    EXPECT_EQ(told({.remaining_requests = "0", .reset_requests = "10"}), seconds(10));
    EXPECT_EQ(told({.remaining_tokens = "0", .reset_tokens = "6m0s"}), minutes(6));
    EXPECT_EQ(
        told({.remaining_requests = "0", .remaining_tokens = "0", .reset_requests = "1s", .reset_tokens = "120ms"}),
        seconds(1));
    EXPECT_EQ(told({.remaining_requests = "3", .reset_requests = "10"}), std::nullopt);
    EXPECT_EQ(told({.remaining_requests = "-1", .reset_requests = "10"}), std::nullopt);
    EXPECT_EQ(told({.remaining_requests = "0", .reset_requests = "10"}, 503), std::nullopt);
    EXPECT_EQ(told({.retry_after = "2", .remaining_requests = "0", .reset_requests = "10"}), seconds(2));
}

TEST(parse_wait, reads_what_services_write) {
    EXPECT_EQ(parse_wait("1h2m3s"), hours(1) + minutes(2) + seconds(3));
    EXPECT_EQ(parse_wait("250ms"), milliseconds(250));
    EXPECT_EQ(parse_wait("1.5s"), milliseconds(1500));
    for (const auto* bad : {"", "s", "1x", "1s2", "-1s", "1 s"}) EXPECT_EQ(parse_wait(bad), std::nullopt) << bad;
}

}  // namespace told_time_test
}  // namespace spillway::core
