#include <gtest/gtest.h>

#include <spillway/base/text.hpp>
#include <spillway/trace/sampling.hpp>
#include <spillway/trace/span.hpp>

namespace spillway::trace {
namespace {

constexpr std::string_view good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

std::string with(std::size_t at, std::string_view other) {
    std::string out(good);
    return out.replace(at, other.size(), other);
}

TEST(traceparent, is_read_into_its_parts) {
    const auto c = parse_traceparent(good);
    ASSERT_TRUE(c);
    EXPECT_EQ(text::to_hex(c->trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(text::to_hex(c->parent_id), "00f067aa0ba902b7");
    EXPECT_TRUE(c->sampled);
    EXPECT_FALSE(c->random);
}

TEST(traceparent, flags_are_bits_and_unknown_ones_are_ignored) {
    struct line {
        std::string_view flags;
        bool sampled, random;
    };
    for (const auto& l : {line{"00", false, false}, line{"01", true, false}, line{"02", false, true},
                          line{"03", true, true}, line{"fe", false, true}, line{"09", true, false}}) {
        const auto c = parse_traceparent(with(53, l.flags));
        ASSERT_TRUE(c) << l.flags;
        EXPECT_EQ(c->sampled, l.sampled) << l.flags;
        EXPECT_EQ(c->random, l.random) << l.flags;
    }
}

TEST(traceparent, what_the_recommendation_forbids_is_refused) {
    const std::vector<std::string> bad{
        "",
        "00",
        std::string(good).substr(0, 54),
        std::string(good) + "-",
        std::string(good) + "-00",
        std::string(good) + " ",
        " " + std::string(good),
        with(0, "ff"),
        with(0, "0g"),
        with(0, "0A"),
        with(2, "_"),
        with(35, "_"),
        with(52, "_"),
        with(3, "00000000000000000000000000000000"),
        with(36, "0000000000000000"),
        with(3, "4BF92F3577B34DA6A3CE929D0E0E4736"),
        with(36, "00F067AA0BA902B7"),
        with(53, "0G"),
        with(53, "0-"),
        with(10, "\xC3\xA4"),
        std::string(55, '-'),
        std::string(55, '0'),
    };
    for (const auto& b : bad) EXPECT_FALSE(parse_traceparent(b)) << b;
}

TEST(traceparent, a_later_version_is_read_as_far_as_it_is_known) {
    EXPECT_TRUE(parse_traceparent(with(0, "01")));
    EXPECT_TRUE(parse_traceparent(with(0, "cc")));
    EXPECT_TRUE(parse_traceparent(with(0, "cc") + "-what-the-future-brings"));
    EXPECT_TRUE(parse_traceparent(with(0, "fe") + "-"));
    EXPECT_FALSE(parse_traceparent(with(0, "cc") + ".what"));
    EXPECT_FALSE(parse_traceparent(with(0, "cc") + "1"));
}

TEST(traceparent, what_is_written_is_what_was_read_but_in_version_00) {
    for (const auto flags : {"00", "01", "02", "03"}) {
        const auto text = with(53, flags);
        const auto c = parse_traceparent(with(0, "cc").substr(0, 53) + flags);
        ASSERT_TRUE(c);
        const auto out = format_traceparent(c->trace_id, c->parent_id, c->sampled, c->random);
        EXPECT_EQ(std::string_view(out.data(), out.size()), text);
    }
}

TEST(sampling, a_trusted_client_decides) {
    random_source random(1);
    config::tracing by;
    by.sample = 0;
    auto brought = parse_traceparent(good);
    EXPECT_TRUE(decide(brought, by, random).sampled);
    by.sample = 1;
    brought->sampled = false;
    const auto c = decide(brought, by, random);
    EXPECT_FALSE(c.sampled);
    EXPECT_EQ(c.trace_id, brought->trace_id);
    EXPECT_EQ(c.parent_id, brought->parent_id);
}

TEST(sampling, without_trust_the_trace_goes_on_but_the_share_decides) {
    random_source random(1);
    config::tracing by;
    by.trust_client = false;
    by.sample = 0;
    EXPECT_FALSE(decide(parse_traceparent(good), by, random).sampled);
    by.sample = 1;
    EXPECT_TRUE(decide(parse_traceparent(good), by, random).sampled);
    EXPECT_EQ(decide(parse_traceparent(good), by, random).trace_id, parse_traceparent(good)->trace_id);
}

TEST(sampling, a_new_trace_is_kept_by_its_share) {
    random_source random(7);
    config::tracing by;
    by.sample = 0.25;
    int kept = 0;
    constexpr int all = 20'000;
    for (int i = 0; i < all; ++i) {
        const auto c = decide(std::nullopt, by, random);
        EXPECT_TRUE(c.random);
        EXPECT_EQ(c.parent_id, span_id{});
        EXPECT_EQ(c.sampled, within_share(c.trace_id, by.sample));
        kept += c.sampled ? 1 : 0;
    }
    EXPECT_NEAR(kept, all / 4, all / 50);
}

TEST(sampling, the_ends_of_the_share_are_never_and_always) {
    trace_id highest;
    highest.fill(0xff);
    EXPECT_TRUE(within_share(highest, 1));
    EXPECT_FALSE(within_share(highest, 0.999));
    EXPECT_FALSE(within_share({}, 0));
    EXPECT_FALSE(within_share({}, -1));
    EXPECT_TRUE(within_share({}, 1e-9));
}

}  // namespace
}  // namespace spillway::trace
