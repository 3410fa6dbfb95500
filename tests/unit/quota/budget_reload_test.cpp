#include <gtest/gtest.h>

#include <spillway/quota/holder.hpp>

// Budgets that come, go and change with reloads, while requests are under way.
namespace spillway::quota {
namespace budget_reload_test {

using core::quota_limit;
using kind = verdict::kind;

constexpr time_point start = time_point(hours(5));
const wall_time noon = wall_time(std::chrono::sys_days(std::chrono::year(2026) / 11 / 26)) + hours(12);

struct budget_reload : testing::Test {
    std::unique_ptr<store> s = std::move(open({}).value());
    std::shared_ptr<holder> h;

    void reload(std::optional<std::uint64_t> tokens, config::period per = config::period::day) {
        config::quota q;
        if (tokens) q.budget = config::budget{tokens, 1'000'000, per};
        h = s->get("client:a", q);
    }
    verdict take(std::int64_t tokens, duration after = {}) const {
        return h->take({tokens, tokens}, start + after, wall(after));
    }
    void settle(std::int64_t estimate, std::int64_t real, duration began, duration ended) const {
        h->settle({estimate, estimate}, {real, real}, start + began, start + ended, wall(ended));
    }
    std::int64_t spent(duration after) const { return h->look(start + after, wall(after)).budget_tokens; }
    std::int64_t spent_money(duration after) const { return h->look(start + after, wall(after)).budget_money_nanos; }
    static wall_time wall(duration after) { return noon + std::chrono::duration_cast<wall_time::duration>(after); }
};

TEST_F(budget_reload, one_that_is_added_takes_nothing_back_that_was_not_reserved) {
    reload(std::nullopt);
    ASSERT_EQ(take(400).what, kind::granted);
    ASSERT_EQ(take(50).what, kind::granted);
    reload(1000);
    settle(400, 300, {}, seconds(1));
    EXPECT_EQ(spent(seconds(1)), 300) << "also when nobody has asked for the budget so far";
    EXPECT_EQ(spent_money(seconds(1)), 300);
    ASSERT_EQ(take(100, seconds(2)).what, kind::granted);
    h->give_back({50, 50}, start, start + seconds(2), wall(seconds(2)));
    EXPECT_EQ(take(601, seconds(3)).limit, quota_limit::budget_tokens);
    settle(100, 90, seconds(2), seconds(4));
    EXPECT_EQ(spent(seconds(4)), 390);
    EXPECT_EQ(take(611, seconds(4)).limit, quota_limit::budget_tokens);
    EXPECT_EQ(take(610, seconds(4)).what, kind::granted);
}

TEST_F(budget_reload, one_that_is_removed_and_put_back_has_counted_meanwhile) {
    reload(1000);
    ASSERT_EQ(take(400).what, kind::granted);
    reload(std::nullopt);
    settle(400, 300, {}, seconds(1));
    ASSERT_EQ(take(5000, seconds(2)).what, kind::granted) << "no limit";
    settle(5000, 200, seconds(2), seconds(3));
    EXPECT_EQ(h->look(start, noon).period, "");
    EXPECT_EQ(spent(seconds(3)), 0) << "no budget is shown";
    ASSERT_EQ(take(100, seconds(4)).what, kind::granted);
    reload(1000);
    EXPECT_EQ(spent(seconds(5)), 500);
    EXPECT_EQ(take(401, seconds(5)).limit, quota_limit::budget_tokens) << "100 are still reserved";
    settle(100, 0, seconds(4), seconds(6));
    EXPECT_EQ(take(501, seconds(7)).limit, quota_limit::budget_tokens);
    EXPECT_EQ(take(500, seconds(7)).what, kind::granted);
}

TEST_F(budget_reload, another_kind_of_period_begins_with_its_seed_each_time) {
    s->seed("client:a", "2026-11", 100, 100);
    reload(1000, config::period::month);
    ASSERT_EQ(take(400).what, kind::granted);
    EXPECT_EQ(spent({}), 100);
    s->seed("client:a", "2026-11-26", 60, 60);
    reload(1000, config::period::day);
    settle(400, 300, {}, seconds(1));
    EXPECT_EQ(spent(seconds(1)), 360);
    EXPECT_EQ(take(641, seconds(2)).limit, quota_limit::budget_tokens);
    EXPECT_EQ(take(640, seconds(2)).what, kind::granted);
    s->seed("client:a", "2026-11", 400, 400);
    reload(2000, config::period::month);
    EXPECT_EQ(spent(seconds(3)), 400);
    settle(640, 600, seconds(2), seconds(4));
    EXPECT_EQ(spent(seconds(4)), 1000);
    EXPECT_EQ(take(1001, seconds(5)).limit, quota_limit::budget_tokens);
    EXPECT_EQ(take(1000, seconds(5)).what, kind::granted) << "no reservation is left over";
}

TEST_F(budget_reload, a_newer_seed_is_for_periods_that_open_later) {
    s->seed("client:a", "2026-11-26", 10, 1);
    s->seed("client:a", "2026-11-26", 90, 9);
    reload(1000);
    ASSERT_EQ(take(5).what, kind::granted);
    s->seed("client:a", "2026-11-26", 700, 70);
    s->seed("client:a", "2026-11-27", 20, 2);
    s->seed("client:a", "2026-11-27", 30, 3);
    reload(1000);
    settle(5, 5, {}, seconds(1));
    EXPECT_EQ(spent(seconds(1)), 95) << "is open";
    EXPECT_EQ(spent_money(seconds(1)), 14);
    EXPECT_EQ(spent(hours(12)), 30);
    EXPECT_EQ(spent_money(hours(12)), 3);
    EXPECT_EQ(take(971, hours(12)).limit, quota_limit::budget_tokens);
}

// A cell is used again after four periods; what began before that is not booked to another day.
TEST_F(budget_reload, a_request_that_lasts_longer_than_periods_are_kept_disturbs_none) {
    reload(1000);
    ASSERT_EQ(take(400).what, kind::granted);
    ASSERT_EQ(take(10, hours(96)).what, kind::granted);
    settle(400, 300, {}, hours(97));
    EXPECT_EQ(spent(hours(97)), 0);
    EXPECT_EQ(take(991, hours(97)).limit, quota_limit::budget_tokens);
    EXPECT_EQ(take(990, hours(97)).what, kind::granted);
}

TEST_F(budget_reload, a_permit_comes_free_before_the_tokens_are_known) {
    config::quota q;
    q.concurrent = 1;
    q.budget = config::budget{1000, std::nullopt, config::period::day};
    h = s->get("client:a", q);
    ASSERT_EQ(take(400).what, kind::granted);
    h->leave();
    EXPECT_EQ(h->look(start, noon).concurrent, 0);
    EXPECT_EQ(take(601, seconds(1)).limit, quota_limit::budget_tokens) << "the reservation stays";
    ASSERT_EQ(take(600, seconds(1)).what, kind::granted);
    h->book({400, 400}, {100, 100}, start, start + seconds(2), wall(seconds(2)));
    EXPECT_EQ(h->look(start, noon).concurrent, 1) << "its own permit was free before";
    EXPECT_EQ(spent(seconds(2)), 100);
}

}  // namespace budget_reload_test
}  // namespace spillway::quota
