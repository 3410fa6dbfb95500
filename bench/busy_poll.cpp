#include "busy_poll.hpp"

#include <sched.h>
#include <sys/epoll.h>

#include <atomic>
#include <chrono>

namespace spillway::bench {
namespace {

std::atomic<bool> sleepless{false};

}  // namespace

void never_sleep() noexcept { sleepless = true; }

}  // namespace spillway::bench

// Takes the place of the C library's for the event loop of this program.
extern "C" int epoll_wait(int epoll, epoll_event* events, int most, int timeout) {
    using clock = std::chrono::steady_clock;
    if (!spillway::bench::sleepless.load(std::memory_order_relaxed))
        return ::epoll_pwait(epoll, events, most, timeout, nullptr);
    const auto until = clock::now() + std::chrono::milliseconds(timeout);
    for (;;) {
        const int n = ::epoll_pwait(epoll, events, most, 0, nullptr);
        if (n != 0 || (timeout >= 0 && clock::now() >= until)) return n;
        ::sched_yield();
    }
}
