#include <spillway/net/loop.hpp>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <spillway/net/task.hpp>

namespace spillway::net {
namespace {

time_point soon() { return clock::now() + seconds(20); }

// A pair of connected sockets: one is watched, the other is the test's.
class pair {
public:
    explicit pair(loop& l) : watched(l) {
        std::array<int, 2> fds{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
        watched.open(fds[0]);
        watched.readable = false;
        other_ = fds[1];
    }
    pair(const pair&) = delete;
    pair& operator=(const pair&) = delete;
    ~pair() { ::close(other_); }
    void send() const { EXPECT_EQ(::write(other_, "x", 1), 1); }

    watch watched;

private:
    int other_{-1};
};

void no_failure(const std::exception_ptr& e) { EXPECT_FALSE(e); }

}  // namespace

TEST(loop, who_yields_lets_everybody_else_go_first) {
    loop l;
    std::string order;
    int running = 2;
    const auto busy = [&](char name) -> task<> {
        turn t;
        for (int steps = 0; steps < 3;) {
            if (!t.spent()) continue;
            order += name;
            ++steps;
            co_await yield(l);
            t.renew();
        }
    };
    const auto over = [&](std::exception_ptr e) {
        EXPECT_FALSE(e);
        if (--running == 0) l.stop();
    };
    l.post([&] {
        spawn(busy('a'), over);
        spawn(busy('b'), over);
    });
    l.run();
    EXPECT_EQ(order, "ababab");
}

TEST(loop, a_yield_ends_when_interrupted_and_leaves_nothing_behind) {
    loop l;
    interrupt stop;
    wake first{}, second{};
    const auto work = [&]() -> task<> {
        stop.fire();
        first = co_await yield(l, &stop);
        stop.reset();
        second = co_await yield(l, &stop);
    };
    l.post([&] { spawn(work(), [&](std::exception_ptr) { l.stop(); }); });
    l.run();
    EXPECT_EQ(first, wake::interrupted);
    EXPECT_EQ(second, wake::ready);
}

TEST(loop, work_of_many_threads_runs_in_each_ones_order_and_all_of_it_before_the_stop) {
    constexpr int threads = 4, pieces = 500;
    loop l;
    std::vector<std::vector<int>> seen(threads);
    std::atomic<int> left{threads};
    std::vector<std::thread> others;
    for (int t = 0; t < threads; ++t)
        others.emplace_back([&, t] {
            for (int i = 0; i < pieces; ++i)
                l.post([&seen, t, i] { seen[static_cast<std::size_t>(t)].push_back(i); });
            if (--left == 0) l.stop();
        });
    l.run();
    for (auto& t : others) t.join();
    for (const auto& of_one : seen) {
        EXPECT_EQ(of_one.size(), pieces);
        EXPECT_TRUE(std::is_sorted(of_one.begin(), of_one.end()));
    }
}

TEST(loop, work_posted_before_a_stop_before_the_run_still_runs) {
    loop l;
    int done = 0;
    l.post([&] { ++done; });
    l.stop();
    l.post([&] { ++done; });
    l.run();
    EXPECT_EQ(done, 2);
}

TEST(loop, work_that_never_runs_is_destroyed_with_the_loop) {
    const auto held = std::make_shared<int>(0);
    {
        loop l;
        auto watched = std::make_shared<pair>(l);
        l.post([held, watched] { FAIL() << "nobody runs this loop"; });
    }
    EXPECT_EQ(held.use_count(), 1);
}

TEST(loop, work_that_posts_itself_leaves_room_for_others) {
    loop l;
    int rounds = 0;
    bool over = false;
    std::function<void()> again = [&] {
        ++rounds;
        if (!over) l.post(again);
    };
    pair p(l);
    const auto other = [&]() -> task<> {
        EXPECT_EQ(co_await sleep_until(l, clock::now() + milliseconds(20)), wake::timed_out);
        p.send();
        EXPECT_EQ(co_await p.watched.wait_readable(soon()), wake::ready);
        over = true;
        l.stop();
    };
    l.post(again);
    spawn(other(), no_failure);
    l.run();
    EXPECT_GT(rounds, 1);
}

TEST(loop, a_stop_ends_a_loop_that_sleeps) {
    loop l;
    std::atomic<bool> runs{false};
    l.post([&] { runs = true; });
    std::thread other([&] { l.run(); });
    while (!runs) std::this_thread::yield();
    l.stop();
    other.join();
}

TEST(loop, deadlines_come_in_their_order_and_not_early) {
    loop l;
    std::string order;
    const time_point begin = clock::now();
    const auto sleeper = [&](char name, duration length) -> task<> {
        EXPECT_EQ(co_await sleep_until(l, begin + length), wake::timed_out);
        EXPECT_GE(clock::now(), begin + length);
        EXPECT_GE(l.now(), begin + length);
        order += name;
        if (order.size() == 3) l.stop();
    };
    spawn(sleeper('c', milliseconds(90)), no_failure);
    spawn(sleeper('a', milliseconds(0)), no_failure);
    spawn(sleeper('b', milliseconds(40)), no_failure);
    l.run();
    EXPECT_EQ(order, "abc");
}

TEST(loop, an_earlier_deadline_wakes_a_loop_that_sleeps_for_a_later_one) {
    loop l;
    const auto sleeper = [&](duration length, bool last) -> task<> {
        co_await sleep_until(l, clock::now() + length);
        if (last) l.stop();
    };
    timer late([](void*) noexcept { ADD_FAILURE() << "an hour has passed"; }, nullptr);
    l.wheel().schedule(late, clock::now() + hours(1));
    l.post([] {});
    std::thread other([&] { l.post([&] { spawn(sleeper(milliseconds(15), true), no_failure); }); });
    l.run();
    other.join();
}

TEST(loop, what_has_come_goes_before_a_deadline_of_the_same_time) {
    loop l;
    pair p(l);
    const time_point until = clock::now() + milliseconds(15);
    const auto reader = [&]() -> task<> {
        EXPECT_EQ(co_await p.watched.wait_readable(until), wake::ready);
        l.stop();
    };
    // Both are due when the loop looks for the first time after this.
    const auto late = [&]() -> task<> {
        co_await yield(l);
        p.send();
        while (clock::now() < until + milliseconds(15)) {
        }
    };
    l.post([&] {
        spawn(reader(), no_failure);
        spawn(late(), no_failure);
    });
    l.run();
}

TEST(loop, more_descriptors_than_a_round_takes_are_all_heard) {
    constexpr std::size_t many = 300;
    loop l;
    std::vector<std::unique_ptr<pair>> pairs;
    std::size_t heard = 0;
    const auto reader = [&](pair& p) -> task<> {
        EXPECT_EQ(co_await p.watched.wait_readable(soon()), wake::ready);
        if (++heard == many) l.stop();
    };
    for (std::size_t i = 0; i < many; ++i) spawn(reader(*pairs.emplace_back(std::make_unique<pair>(l))), no_failure);
    std::thread other([&] {
        for (const auto& p : pairs) p->send();
    });
    l.run();
    other.join();
    EXPECT_EQ(heard, many);
}

TEST(loop, a_guest_of_asio_has_the_time_of_its_wake_up) {
    loop l;
    boost::asio::steady_timer guest(l.context());
    const time_point due = clock::now() + milliseconds(20);
    guest.expires_at(due);
    guest.async_wait([&](const boost::system::error_code& ec) {
        EXPECT_FALSE(ec);
        EXPECT_GE(l.now(), due);
        l.stop();
    });
    l.run();
}

TEST(loop, a_guest_of_asio_has_its_turn_though_others_never_pause) {
    loop l;
    bool over = false;
    boost::asio::steady_timer guest(l.context(), milliseconds(5));
    guest.async_wait([&](const boost::system::error_code&) { over = true; });
    const auto busy = [&]() -> task<> {
        while (!over) co_await yield(l);
    };
    l.post([&] { spawn(busy(), [&](std::exception_ptr) { l.stop(); }); });
    l.run();
}

}  // namespace spillway::net
