#include <spillway/net/waiter.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <coroutine>
#include <exception>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <spillway/net/loop.hpp>
#include <spillway/net/task.hpp>

namespace spillway::net {
namespace {

// A coroutine that begins at once, and whose end may be that of this object, wherever it waits.
class held {
public:
    struct promise_type {
        held get_return_object() { return held(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
    explicit held(std::coroutine_handle<promise_type> h) noexcept : handle_(h) {}
    held(held&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    held& operator=(held&&) = delete;
    ~held() {
        if (handle_) handle_.destroy();
    }
    bool done() const { return handle_.done(); }

private:
    std::coroutine_handle<promise_type> handle_;
};

class waits : public ::testing::Test {
protected:
    static time_point soon() { return clock::now() + seconds(20); }
    time_point in(duration d) const { return clock::now() + d; }

    held sleeper(interrupt& by, char name) {
        const wake how = co_await sleep_until(l, soon(), &by);
        note(name, how);
    }
    held listener(event& e, char name, time_point until = soon(), interrupt* by = nullptr) {
        const wake how = co_await e.wait(until, by);
        note(name, how);
    }
    // "a!" for an interrupted one, "a?" for one whose time was over.
    void note(char name, wake how) {
        said += name;
        if (how == wake::interrupted) said += '!';
        if (how == wake::timed_out) said += '?';
        if (--left == 0) l.stop();
    }
    // Runs the loop until as many waits have ended.
    void run_until(int ended) {
        left = ended;
        l.run();
    }

    loop l;
    std::string said;
    int left{0};
};

TEST_F(waits, an_interrupt_ends_all_waits_that_name_it) {
    interrupt stop;
    const held a = sleeper(stop, 'a'), b = sleeper(stop, 'b'), c = sleeper(stop, 'c');
    stop.fire();
    EXPECT_EQ(said, "a!b!c!");
    EXPECT_TRUE(a.done() && b.done() && c.done());
    stop.fire();
    EXPECT_EQ(said, "a!b!c!") << "nobody waits any more";
}

TEST_F(waits, a_wait_that_has_ended_leaves_the_interrupt_to_the_others) {
    interrupt stop;
    event e(l);
    const held a = listener(e, 'a', soon(), &stop), b = sleeper(stop, 'b');
    e.fire();
    EXPECT_EQ(said, "a");
    stop.fire();
    EXPECT_EQ(said, "ab!");
}

TEST_F(waits, a_fired_interrupt_ends_later_waits_in_the_next_tick) {
    interrupt stop;
    stop.fire();
    const held a = sleeper(stop, 'a');
    EXPECT_EQ(said, "") << "not on the stack that suspends";
    run_until(1);
    EXPECT_EQ(said, "a!");
}

TEST_F(waits, who_waits_anew_when_it_is_woken_is_not_woken_twice) {
    interrupt stop;
    const auto again = [&]() -> held {
        for (int i = 0; i < 2; ++i) note('a', co_await sleep_until(l, soon(), &stop));
    };
    const held a = again();
    stop.fire();
    EXPECT_EQ(said, "a!");
    run_until(1);
    EXPECT_EQ(said, "a!a!");
}

TEST_F(waits, the_first_that_is_woken_may_destroy_the_others_and_the_interrupt) {
    auto stop = std::make_unique<interrupt>();
    std::list<held> others;
    const auto first = [&]() -> held {
        note('a', co_await sleep_until(l, soon(), stop.get()));
        others.erase(others.begin());
        stop.reset();
    };
    const held a = first();
    others.push_back(sleeper(*stop, 'b'));
    others.push_back(sleeper(*stop, 'c'));
    stop->fire();
    EXPECT_EQ(said, "a!c!");
}

TEST_F(waits, one_that_is_to_be_woken_and_is_woken_by_something_else_before_was_interrupted) {
    auto stop = std::make_unique<interrupt>();
    event e(l);
    const auto first = [&]() -> held {
        note('a', co_await sleep_until(l, soon(), stop.get()));
        stop.reset();
        e.fire();
    };
    const held a = first(), b = listener(e, 'b', soon(), stop.get());
    stop->fire();
    EXPECT_EQ(said, "a!b!");
}

TEST_F(waits, an_interrupt_that_goes_away_leaves_the_deadline) {
    auto stop = std::make_unique<interrupt>();
    event e(l);
    const held a = listener(e, 'a', in(milliseconds(15)), stop.get());
    stop.reset();
    run_until(1);
    EXPECT_EQ(said, "a?");
}

TEST_F(waits, a_wait_that_is_destroyed_leaves_nothing_behind) {
    interrupt stop;
    event e(l);
    { const held a = listener(e, 'a', in(milliseconds(15)), &stop), b = sleeper(stop, 'b'); }
    const held c = listener(e, 'c', in(milliseconds(40)));
    stop.fire();
    run_until(1);
    e.fire();
    EXPECT_EQ(said, "c?");
}

TEST_F(waits, an_event_wakes_all_that_wait_and_nobody_later) {
    event e(l);
    e.fire();
    const held a = listener(e, 'a'), b = listener(e, 'b');
    EXPECT_EQ(said, "") << "it was fired before they waited";
    e.fire();
    EXPECT_EQ(said, "ab");
    const held c = listener(e, 'c', in(milliseconds(15)));
    run_until(1);
    EXPECT_EQ(said, "abc?");
}

TEST_F(waits, an_event_knows_deadlines_and_interrupts) {
    event e(l);
    interrupt stop;
    const held a = listener(e, 'a', in(milliseconds(15))), b = listener(e, 'b', soon(), &stop), c = listener(e, 'c');
    stop.fire();
    run_until(1);
    e.fire();
    EXPECT_EQ(said, "b!a?c");
}

TEST_F(waits, who_waits_for_the_next_time_is_not_woken_by_this_one) {
    event e(l);
    const auto twice = [&]() -> held {
        note('a', co_await e.wait(soon()));
        note('b', co_await e.wait(soon()));
    };
    const held a = twice();
    e.fire();
    EXPECT_EQ(said, "a");
    e.fire();
    EXPECT_EQ(said, "ab");
}

TEST_F(waits, the_first_that_an_event_wakes_may_destroy_the_others_and_the_event) {
    auto e = std::make_unique<event>(l);
    std::list<held> others;
    const auto first = [&]() -> held {
        note('a', co_await e->wait(soon()));
        others.erase(others.begin());
        e.reset();
    };
    const held a = first();
    others.push_back(listener(*e, 'b'));
    others.push_back(listener(*e, 'c'));
    e->fire();
    EXPECT_EQ(said, "ac");
}

TEST_F(waits, an_event_that_goes_away_leaves_the_deadline) {
    auto e = std::make_unique<event>(l);
    const held a = listener(*e, 'a', in(milliseconds(15)));
    e.reset();
    run_until(1);
    EXPECT_EQ(said, "a?");
}

TEST_F(waits, no_change_is_missed_that_another_thread_tells_by_a_post) {
    constexpr int changes = 2000;
    event e(l);
    std::atomic<int> value{0}, seen{0};
    const auto follower = [&]() -> task<> {
        for (int wanted = 1; wanted <= changes; ++wanted) {
            while (value < wanted) {
                const wake how = co_await e.wait(soon());
                EXPECT_EQ(how, wake::ready);
                if (how != wake::ready) {
                    seen = changes;
                    co_return;
                }
            }
            seen = wanted;
        }
    };
    l.post([&] { spawn(follower(), [&](std::exception_ptr) { l.stop(); }); });
    std::thread other([&] {
        for (int i = 1; i <= changes; ++i) {
            value = i;
            l.post([&] { e.fire(); });
            while (seen < i) std::this_thread::yield();
        }
    });
    l.run();
    other.join();
    EXPECT_EQ(seen, changes);
}

}  // namespace
}  // namespace spillway::net
