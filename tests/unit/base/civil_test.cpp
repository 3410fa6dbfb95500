#include <gtest/gtest.h>

#include <string>

#include <spillway/base/civil.hpp>

namespace spillway::civil {
namespace {

using std::chrono::days;

std::optional<std::int64_t> us(std::string_view s) {
    const auto at = parse_moment(s);
    return at ? std::optional(at->time_since_epoch().count()) : std::nullopt;
}

TEST(civil, days_and_times_that_there_are) {
    EXPECT_EQ(day_of(1970, 1, 1), sys_days(days(0)));
    EXPECT_EQ(day_of(2000, 2, 29), sys_days(days(11016)));
    EXPECT_TRUE(day_of(2028, 2, 29));
    EXPECT_FALSE(day_of(2027, 2, 29));
    EXPECT_FALSE(day_of(2100, 2, 29));
    EXPECT_FALSE(day_of(2026, 13, 1));
    EXPECT_FALSE(day_of(2026, 0, 1));
    EXPECT_FALSE(day_of(2026, 257, 1)) << "nothing is cut to eight bits";
    EXPECT_FALSE(day_of(2026, 4, 31));
    EXPECT_FALSE(day_of(10'000, 1, 1));
    EXPECT_EQ(time_of_day(23, 59, 60), seconds(86400)) << "a leap second";
    EXPECT_FALSE(time_of_day(24, 0, 0));
    EXPECT_FALSE(time_of_day(0, 60, 0));
    EXPECT_FALSE(time_of_day(0, 0, 61));
}

TEST(civil, moments_of_rfc_3339) {
    EXPECT_EQ(us("1970-01-01"), 0);
    EXPECT_EQ(us("1970-01-01T00:00:01Z"), 1'000'000);
    EXPECT_EQ(us("1970-01-01 00:00:01z"), 1'000'000);
    EXPECT_EQ(us("1970-01-01t01:00:00.25+01:00"), 250'000);
    EXPECT_EQ(us("1970-01-01T00:00:00-00:30"), 1'800'000'000);
    EXPECT_EQ(us("1970-01-01T00:00:00.0000019Z"), 1) << "finer digits are cut";
    for (const auto* bad :
         {"", "1969-12-31", "2026-11", "2026-11-31", "2026-11-26T", "2026-11-26T08:30Z", "2026-11-26T08:30:00",
          "2026-11-26T08:30:00.Z", "2026-11-26T08:30:00+1:00", "2026-11-26T08:30:00+24:00", "2026-11-26T08:30:00Zx",
          "2026-11-26x", "26-11-26", "2026-1-26", "+026-11-26", "2026-11-26T08:30:61Z"})
        EXPECT_EQ(us(bad), std::nullopt) << bad;
}

TEST(civil, months_and_days_alone) {
    EXPECT_EQ(parse_month("2026-11"), std::chrono::year(2026) / 11);
    EXPECT_EQ(parse_day("2026-11-26"), day_of(2026, 11, 26));
    for (const auto* bad : {"2026-13", "2026-00", "2026-11-", "2026", "1969-01"})
        EXPECT_FALSE(parse_month(bad)) << bad;
    for (const auto* bad : {"2026-11", "2026-11-31", "2026-11-26T"}) EXPECT_FALSE(parse_day(bad)) << bad;
}

TEST(civil, far_years_end_at_what_nanoseconds_hold) {
    const auto last = wall_time_of(*parse_moment("9999-12-31T23:59:59Z"));
    EXPECT_GT(last, wall_time(*day_of(2262, 1, 1)));
    EXPECT_EQ(wall_time_of(*parse_moment("2026-11-26")), wall_time(*day_of(2026, 11, 26)));
}

TEST(civil, writes_what_it_reads) {
    EXPECT_EQ(format_month(std::chrono::year(1987) / 3), "1987-03");
    EXPECT_EQ(format_day(*day_of(2026, 1, 2)), "2026-01-02");
    EXPECT_EQ(format_moment(moment_us(microseconds(0))), "1970-01-01T00:00:00Z");
    EXPECT_EQ(format_moment(moment_us(microseconds(1'999'999)), 3), "1970-01-01T00:00:01.999Z");
    EXPECT_EQ(format_moment(moment_us(microseconds(-1)), 6), "1969-12-31T23:59:59.999999Z");
    for (const auto* s :
         {"2026-11-26T16:46:17.000123Z", "2000-02-29T00:00:00.500000Z", "2099-12-31T23:59:59.000000Z"})
        EXPECT_EQ(format_moment(*parse_moment(s), 6), s);
    std::string out;
    append_padded(out, 7, 3);
    append_padded(out, 12345, 2);
    EXPECT_EQ(out, "00712345");
}

}  // namespace
}  // namespace spillway::civil
