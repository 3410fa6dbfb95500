#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <spillway/base/time.hpp>
#include <spillway/net/deadline_wheel.hpp>
#include <spillway/net/waiter.hpp>

namespace boost::asio {
class io_context;
}

namespace spillway::net {

// One file descriptor of a loop, registered once, edge-triggered: a ready flag is set by the kernel's report and
// taken down by the operation that found nothing more to do. So a wait costs no system call, and neither does a read
// that could only say "try again".
class watch {
public:
    using idle_callback = void (*)(watch&) noexcept;

    explicit watch(loop& l) noexcept : loop_(l), reader_(l), writer_(l) {}
    watch(const watch&) = delete;
    watch& operator=(const watch&) = delete;
    ~watch() { close(); }

    // Takes ownership of a non-blocking descriptor.
    void open(int fd);
    void close() noexcept;
    // Gives the descriptor away, unregistered.
    int release() noexcept;

    int fd() const noexcept { return fd_; }
    bool is_open() const noexcept { return fd_ >= 0; }
    loop& owner() const noexcept { return loop_; }

    bool readable{false};
    bool writable{false};
    bool hung_up{false};  // the peer closed its side or the connection broke; reads end with EOF or an error

    // Called when something happens on the descriptor while no coroutine waits to read: the peer of a running
    // exchange left, or an idle connection was closed by its server.
    idle_callback on_idle{nullptr};
    void* idle_context{nullptr};

    struct read_awaiter {
        watch& w;
        time_point deadline;
        interrupt* by;
        bool await_ready() const noexcept { return w.readable; }
        void await_suspend(std::coroutine_handle<> h) noexcept { w.reader_.suspend(h, deadline, by); }
        wake await_resume() const noexcept { return w.take(w.reader_, w.readable); }
    };
    struct write_awaiter {
        watch& w;
        time_point deadline;
        interrupt* by;
        bool await_ready() const noexcept { return w.writable; }
        void await_suspend(std::coroutine_handle<> h) noexcept { w.writer_.suspend(h, deadline, by); }
        wake await_resume() const noexcept { return w.take(w.writer_, w.writable); }
    };
    read_awaiter wait_readable(time_point deadline, interrupt* by = nullptr) noexcept {
        return {*this, deadline, by};
    }
    write_awaiter wait_writable(time_point deadline, interrupt* by = nullptr) noexcept {
        return {*this, deadline, by};
    }
    // Until it is writable or something can be read: a peer may answer before it has taken everything. Ready as well
    // when both flags are down again by then; the caller tries both.
    struct either_awaiter {
        watch& w;
        time_point deadline;
        interrupt* by;
        bool await_ready() const noexcept { return w.writable || w.readable; }
        void await_suspend(std::coroutine_handle<> h) noexcept {
            w.reads_wake_writer_ = true;
            w.writer_.suspend(h, deadline, by);
        }
        wake await_resume() const noexcept {
            w.reads_wake_writer_ = false;
            return take(w.writer_, w.writable || w.readable);
        }
    };
    either_awaiter wait_either(time_point deadline, interrupt* by = nullptr) noexcept {
        return {*this, deadline, by};
    }

private:
    friend class loop;
    void on_events(std::uint32_t events) noexcept;
    static wake take(const waiter& w, bool ready) noexcept { return ready ? wake::ready : w.result(); }

    loop& loop_;
    int fd_{-1};
    bool reads_wake_writer_{false};
    waiter reader_;
    waiter writer_;
};

// The event loop of one worker: an io_context of Asio, which one thread runs, with two things of our own on it.
// Streams are registered once in an epoll set, which Asio sees as one descriptor; all deadlines stand in one wheel,
// under one timer of Asio's. Everything but post(), stop() and the counters belongs to the thread that runs it.
//
// Asio's own readiness wait costs an epoll_ctl for each wait of each socket, and a proxied request waits at least
// twice. Here it costs one when the loop goes to sleep; while there is work, a round is one epoll_wait as it would be
// without Asio. docs/architecture.md has the figures.
class loop {
public:
    loop();
    ~loop();
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;

    // Runs until stop(), and then what was posted before it.
    void run();
    // Any thread, but no signal handler.
    void stop() noexcept;
    // Any thread. Runs `work` on the loop's thread, in order.
    void post(std::function<void()> work);
    // For what Asio does well on this thread: listening sockets, signals. stop() is not its own but this loop's.
    boost::asio::io_context& context() noexcept;

    // Time of the present round: read once a wake-up.
    time_point now() const noexcept {
        if (asleep_) wake_up();
        return now_;
    }
    deadline_wheel& wheel() noexcept { return wheel_; }

    // A coroutine that has used its turn goes on in the next round, after all others that are ready; see yield().
    void queue_yielded(waiter& w) { yielded_.push_back(&w); }
    void forget_yielded(const waiter& w) noexcept;

    // Seconds that the last rounds took, the longest since the last call: how late a deadline may have been. Any
    // thread.
    duration take_longest_round() noexcept { return duration(longest_round_.exchange(0, std::memory_order_relaxed)); }

private:
    friend class watch;
    class asio_side;
    void add(int fd, watch& w);
    void remove(int fd, watch& w) noexcept;
    bool sleep();
    void look_at_asio();
    void dispatch() noexcept;
    void run_posted();
    void run_yielded() noexcept;
    void wake_up() const noexcept {
        asleep_ = false;
        now_ = clock::now();
    }

    static constexpr int batch = 64;  // of a round: so many events are a few milliseconds of work
    static constexpr duration most_yielded = milliseconds(1);  // of one round, for those who yielded
    int epoll_;
    mutable bool asleep_{false};  // Asio may wait, and the first that asks for the time reads the clock
    mutable time_point now_;
    time_point asio_looked_;  // when Asio last looked for what is ready
    deadline_wheel wheel_;
    epoll_event events_[batch];
    int current_{0}, count_{0};
    std::vector<waiter*> yielded_;  // null: gone meanwhile
    std::atomic<bool> stopping_{false};
    std::atomic<std::int64_t> longest_round_{0};
    std::atomic<std::uint64_t> posted_{0};  // pieces of work ever
    std::uint64_t ran_{0};                  // of them
    std::unique_ptr<asio_side> asio_;
};

// Sleeps until `until` or until the interrupt fires.
struct sleep_awaiter {
    waiter w;
    time_point until;
    interrupt* by;
    sleep_awaiter(loop& l, time_point t, interrupt* i) noexcept : w(l), until(t), by(i) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) noexcept { w.suspend(h, until, by); }
    wake await_resume() const noexcept { return w.result(); }
};
inline sleep_awaiter sleep_until(loop& l, time_point t, interrupt* by = nullptr) noexcept { return {l, t, by}; }

// Lets all other ready coroutines go first. For loops that find something to do each time they look: readiness is
// edge-triggered, so nothing else would end their turn.
struct yield_awaiter {
    loop& on;
    waiter w;
    interrupt* by;
    yield_awaiter(loop& l, interrupt* i) noexcept : on(l), w(l), by(i) {}
    ~yield_awaiter() { on.forget_yielded(w); }
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) {
        on.queue_yielded(w);
        w.suspend(h, time_point::max(), by);
    }
    wake await_resume() const noexcept { return w.result(); }
};
inline yield_awaiter yield(loop& l, interrupt* by = nullptr) noexcept { return {l, by}; }

// How much one turn of a coroutine may do: a stretch of work that never waits gives the worker to others after a
// quarter of a millisecond, so that four such coroutines take one. The clock is read from the second step on, so work
// that waits in between costs nothing.
class turn {
public:
    // Call before each step; true: yield() first.
    bool spent() noexcept {
        if (++steps_ == 1) return false;
        const time_point now = clock::now();
        if (steps_ == 2) began_ = now;
        return now - began_ > most || steps_ > most_steps;
    }
    // The coroutine has waited: a new turn begins.
    void renew() noexcept { steps_ = 0; }

private:
    static constexpr duration most = microseconds(250);
    static constexpr std::uint32_t most_steps = 16;  // of up to a slab each: about 256 KiB
    time_point began_{};
    std::uint32_t steps_{0};
};

}  // namespace spillway::net
