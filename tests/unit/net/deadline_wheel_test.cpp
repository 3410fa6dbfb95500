#include <spillway/net/deadline_wheel.hpp>

#include <gtest/gtest.h>

#include <vector>

using namespace spillway;
using namespace spillway::net;

namespace {
const time_point start{seconds(1000)};

struct probe {
    int fired{0};
    timer t{[](void* self) noexcept { ++static_cast<probe*>(self)->fired; }, this};
};
}  // namespace

TEST(deadline_wheel, fires_at_its_time_or_a_tick_later_and_never_before) {
    deadline_wheel w(start);
    probe p;
    w.schedule(p.t, start + milliseconds(95));
    w.advance(start + milliseconds(94));
    EXPECT_EQ(p.fired, 0);
    w.advance(start + milliseconds(105));
    EXPECT_EQ(p.fired, 1);
    w.advance(start + hours(1));
    EXPECT_EQ(p.fired, 1) << "once only";
}

TEST(deadline_wheel, a_deadline_moved_later_does_not_fire_at_the_old_time) {
    deadline_wheel w(start);
    probe p;
    w.schedule(p.t, start + seconds(1));
    w.schedule(p.t, start + seconds(5));
    w.advance(start + milliseconds(4999));
    EXPECT_EQ(p.fired, 0);
    w.advance(start + milliseconds(5010));
    EXPECT_EQ(p.fired, 1);
}

TEST(deadline_wheel, a_deadline_moved_earlier_fires_earlier) {
    deadline_wheel w(start);
    probe p;
    w.schedule(p.t, start + minutes(10));
    w.schedule(p.t, start + milliseconds(50));
    w.advance(start + milliseconds(60));
    EXPECT_EQ(p.fired, 1);
}

TEST(deadline_wheel, beyond_the_horizon_waits_for_its_turn) {
    deadline_wheel w(start);
    probe p;
    w.schedule(p.t, start + minutes(10));
    for (int s = 0; s < 599; ++s) w.advance(start + seconds(s));
    EXPECT_EQ(p.fired, 0);
    w.advance(start + minutes(10) + milliseconds(10));
    EXPECT_EQ(p.fired, 1);
}

TEST(deadline_wheel, cancelled_and_destroyed_timers_do_not_fire) {
    deadline_wheel w(start);
    probe cancelled;
    w.schedule(cancelled.t, start + milliseconds(20));
    w.cancel(cancelled.t);
    {
        probe gone;
        w.schedule(gone.t, start + milliseconds(20));
    }
    w.advance(start + seconds(1));
    EXPECT_EQ(cancelled.fired, 0);
}

TEST(deadline_wheel, the_loop_sleeps_exactly_until_the_next_one) {
    deadline_wheel w(start);
    EXPECT_EQ(w.until_next(start), duration::max());
    probe p;
    w.schedule(p.t, start + milliseconds(250));
    EXPECT_EQ(w.until_next(start), milliseconds(250));
    w.advance(start + milliseconds(200));
    EXPECT_EQ(w.until_next(start + milliseconds(200)), milliseconds(50));
}

TEST(deadline_wheel, a_long_sleep_of_the_machine_fires_everything_once_in_order) {
    deadline_wheel w(start);
    std::vector<std::unique_ptr<probe>> all;
    for (int i = 1; i <= 2000; ++i) {
        all.push_back(std::make_unique<probe>());
        w.schedule(all.back()->t, start + milliseconds(37 * i));
    }
    w.advance(start + hours(30));
    for (const auto& p : all) EXPECT_EQ(p->fired, 1);
    EXPECT_EQ(w.until_next(start + hours(30)), duration::max());
}

TEST(deadline_wheel, a_callback_may_schedule_itself_again) {
    deadline_wheel w(start);
    struct repeating {
        deadline_wheel& w;
        time_point next;
        int fired{0};
        timer t{[](void* self) noexcept {
                    auto* r = static_cast<repeating*>(self);
                    ++r->fired;
                    r->next += milliseconds(100);
                    r->w.schedule(r->t, r->next);
                },
                this};
    } r{w, start + milliseconds(100)};
    w.schedule(r.t, r.next);
    w.advance(start + seconds(1) + milliseconds(5));
    EXPECT_EQ(r.fired, 10);
}
