#include <spillway/net/waiter.hpp>

#include <utility>

#include <spillway/net/loop.hpp>

namespace spillway::net {

interrupt::~interrupt() {
    while (!waiting_.alone()) {
        auto* w = static_cast<waiter*>(waiting_.next());
        w->unlink();
        w->interrupt_ = nullptr;
    }
}

void interrupt::fire() noexcept {
    fired_ = true;
    if (waiting_.alone()) return;
    // From here on nothing needs this object, which the first that is resumed may destroy; and a new waiter is not
    // among those that are resumed now.
    wait_link woken;
    woken.take_the_place_of(waiting_);
    for (auto* l = woken.next(); l != &woken; l = l->next()) {
        auto* w = static_cast<waiter*>(l);
        w->interrupted_ = true;
        w->interrupt_ = nullptr;
    }
    while (!woken.alone()) {
        auto* w = static_cast<waiter*>(woken.next());
        w->unlink();
        w->complete(wake::interrupted);
    }
}

void waiter::suspend(std::coroutine_handle<> h, time_point deadline, interrupt* by) noexcept {
    handle_ = h;
    result_ = wake::ready;
    interrupted_ = false;
    interrupt_ = by;
    if (by != nullptr) {
        join(by->waiting_);
        // A fired interrupt ends the wait in the next tick rather than on this stack, which still suspends.
        if (by->fired_) deadline = time_point{};
    }
    loop_.wheel().schedule(timer_, deadline);
}

void waiter::complete(wake how) noexcept {
    if (!handle_) return;
    loop_.wheel().cancel(timer_);
    if (interrupt_ != nullptr && interrupt_->fired_) interrupted_ = true;
    result_ = interrupted_ ? wake::interrupted : how;
    interrupt_ = nullptr;
    unlink();
    std::exchange(handle_, {}).resume();
}

void waiter::on_due(void* self) noexcept { static_cast<waiter*>(self)->complete(wake::timed_out); }

event::~event() {
    while (!waiting_.alone()) waiting_.next()->unlink();
}

void event::fire() noexcept {
    if (waiting_.alone()) return;
    wait_link woken;
    woken.take_the_place_of(waiting_);
    while (!woken.alone()) {
        auto* a = static_cast<awaiter*>(woken.next());
        a->unlink();
        a->waiter_.complete(wake::ready);
    }
}

}  // namespace spillway::net
