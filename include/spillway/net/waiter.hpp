#pragma once

#include <coroutine>
#include <cstdint>

#include <spillway/base/time.hpp>
#include <spillway/net/deadline_wheel.hpp>

namespace spillway::net {

class loop;

// How a wait ended.
enum class wake : std::uint8_t { ready, timed_out, interrupted };

// A place in a ring of those that wait for the same thing. The head of a ring is such a place, too; one that is in no
// ring is a ring by itself.
class wait_link {
public:
    wait_link() noexcept = default;
    wait_link(const wait_link&) = delete;
    wait_link& operator=(const wait_link&) = delete;
    ~wait_link() { unlink(); }

    bool alone() const noexcept { return next_ == this; }
    wait_link* next() const noexcept { return next_; }
    void unlink() noexcept {
        previous_->next_ = next_;
        next_->previous_ = previous_;
        next_ = previous_ = this;
    }
    // As the last of the ring of `head`.
    void join(wait_link& head) noexcept {
        unlink();
        previous_ = head.previous_;
        next_ = &head;
        previous_->next_ = head.previous_ = this;
    }
    // Becomes the head of that ring, and the other one is alone.
    void take_the_place_of(wait_link& head) noexcept {
        join(head);
        head.unlink();
    }

private:
    wait_link* next_{this};
    wait_link* previous_{this};
};

// Ends the waits that name it, from outside: the client went away, the server stops. Once fired it stays fired, and
// every later wait that names it ends at once. Waits of several coroutines may name the same.
class interrupt {
public:
    interrupt() noexcept = default;
    interrupt(const interrupt&) = delete;
    interrupt& operator=(const interrupt&) = delete;
    ~interrupt();  // waiters go on waiting without it

    // Resumes all that wait now. They may destroy each other, and this object.
    void fire() noexcept;
    void reset() noexcept { fired_ = false; }
    bool fired() const noexcept { return fired_; }

private:
    friend class waiter;
    wait_link waiting_;
    bool fired_{false};
};

// A coroutine that waits for one thing under a deadline. The waking side calls complete(); the first call wins.
class waiter : private wait_link {
public:
    explicit waiter(loop& l) noexcept : loop_(l), timer_(&waiter::on_due, this) {}

    bool waiting() const noexcept { return static_cast<bool>(handle_); }
    // Resumes the coroutine, on this very stack. It may destroy the waiter.
    void complete(wake how) noexcept;

    void suspend(std::coroutine_handle<> h, time_point deadline, interrupt* by) noexcept;
    wake result() const noexcept { return result_; }

private:
    friend class interrupt;
    static void on_due(void* self) noexcept;

    loop& loop_;
    std::coroutine_handle<> handle_;
    interrupt* interrupt_{nullptr};
    timer timer_;
    wake result_{wake::ready};
    bool interrupted_{false};
};

// Wakes the coroutines of one loop that wait for something to happen, as often as it happens. It remembers nothing:
// a coroutine looks at its condition before each wait. Between look and wait no other one of the loop runs, so an
// event that is fired on the loop after the condition has changed is not missed.
class event {
public:
    explicit event(loop& l) noexcept : loop_(l) {}
    event(const event&) = delete;
    event& operator=(const event&) = delete;
    ~event();  // waiters go on waiting for their deadlines

    // Resumes all that wait now. They may destroy each other, and this object.
    void fire() noexcept;

    class awaiter : private wait_link {
    public:
        awaiter(event& e, time_point deadline, interrupt* by) noexcept
            : event_(e), deadline_(deadline), interrupt_(by), waiter_(e.loop_) {}
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> h) noexcept {
            join(event_.waiting_);
            waiter_.suspend(h, deadline_, interrupt_);
        }
        wake await_resume() noexcept {
            unlink();
            return waiter_.result();
        }

    private:
        friend class event;
        event& event_;
        time_point deadline_;
        interrupt* interrupt_;
        waiter waiter_;
    };
    awaiter wait(time_point deadline, interrupt* by = nullptr) noexcept { return {*this, deadline, by}; }

private:
    loop& loop_;
    wait_link waiting_;
};

}  // namespace spillway::net
