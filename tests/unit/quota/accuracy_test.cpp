#include <gtest/gtest.h>

#include <deque>

#include <spillway/base/random.hpp>
#include <spillway/quota/holder.hpp>

// An hour of virtual time on one gateway: what is let through against what the limit says.
namespace spillway::quota {
namespace {

constexpr time_point start = time_point(hours(5));
const wall_time noon = wall_time(std::chrono::sys_days(std::chrono::year(2026) / 11 / 26)) + hours(12);

struct flight {
    time_point end, began;
    amounts estimate, real;
};

struct sums {
    double requests{0}, tokens{0};
};

// `cores` take turns at the same moments; a request lasts for some seconds and then tells what it took.
sums hour_of(store& s, const config::quota& q, int cores, duration step, auto wants) {
    std::vector<std::shared_ptr<holder>> seen;
    for (int i = 0; i < cores; ++i) seen.push_back(s.get("client:a", q));
    std::deque<flight> under_way;
    random_source dice(11);
    sums out;
    for (auto now = start; now < start + hours(1); now += step) {
        const auto wall = noon + (now - start);
        while (!under_way.empty() && under_way.front().end <= now) {
            const auto& f = under_way.front();
            seen[0]->settle(f.estimate, f.real, f.began, now, wall);
            out.tokens += static_cast<double>(f.real.tokens);
            under_way.pop_front();
        }
        for (int n = wants(now); n > 0; --n) {
            const amounts estimate{100 + static_cast<std::int64_t>(dice.below(900)), 0};
            const auto& h = seen[dice.below(static_cast<std::uint32_t>(cores))];
            if (h->take(estimate, now, wall).what != verdict::kind::granted) continue;
            const amounts real{estimate.tokens / 2 +
                                   static_cast<std::int64_t>(dice.below(static_cast<std::uint32_t>(estimate.tokens))),
                               0};
            under_way.push_back({now + seconds(2), now, estimate, real});
            ++out.requests;
        }
    }
    for (const auto& f : under_way) {
        seen[0]->settle(f.estimate, f.real, f.began, start + hours(1), noon);
        out.tokens += static_cast<double>(f.real.tokens);
    }
    return out;
}

std::unique_ptr<store> memory() { return std::move(open({}).value()); }

config::quota limits(std::optional<std::uint32_t> requests, std::optional<std::uint64_t> tokens) {
    config::quota q;
    q.requests_per_minute = requests;
    q.tokens_per_minute = tokens;
    return q;
}

int all_the_time(time_point) { return 8; }

// Half a minute of silence, then half a minute of far too much.
int in_bursts(time_point now) { return (now - start) % minutes(1) < seconds(30) ? 0 : 20; }

TEST(accuracy, an_hour_of_requests_at_saturation_is_within_one_percent) {
    const auto s = memory();
    const auto got = hour_of(*s, limits(600, {}), 4, milliseconds(50), all_the_time);
    EXPECT_GE(got.requests, 36'000);
    EXPECT_LE(got.requests, 36'000 * 1.01);
}

TEST(accuracy, an_hour_of_real_tokens_at_saturation_is_within_one_percent) {
    const auto s = memory();
    const auto got = hour_of(*s, limits({}, 600'000), 4, milliseconds(50), all_the_time);
    EXPECT_NEAR(got.tokens, 36'000'000, 360'000);
}

TEST(accuracy, bursts_get_what_the_bucket_has_saved_and_no_more) {
    const auto s = memory();
    const auto got = hour_of(*s, limits({}, 600'000), 2, milliseconds(50), in_bursts);
    EXPECT_LE(got.tokens, 36'000'000 * 1.01);
    EXPECT_GE(got.tokens, 36'000'000 * 0.98)
        << "the silence is as long as the burst saves for, less what is under way";
}

TEST(accuracy, a_client_below_its_limit_is_never_refused) {
    const auto s = memory();
    int wanted = 0;
    const auto got =
        hour_of(*s, limits(601, 1'200'000), 2, milliseconds(100), [&](time_point) { return ++wanted, 1; });
    EXPECT_EQ(got.requests, wanted);
}

}  // namespace
}  // namespace spillway::quota
