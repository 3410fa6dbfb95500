#pragma once

#include <array>
#include <cstdint>

#include <spillway/base/time.hpp>

namespace spillway::net {

class deadline_wheel;

// One deadline of one object. Moving it later is a store: the wheel finds out when the old slot comes round. That is
// what nearly all deadlines of a proxy do, so arming one per read costs nothing to speak of.
class timer {
public:
    using callback = void (*)(void* context) noexcept;

    timer(callback on_due, void* context) noexcept : on_due_(on_due), context_(context) {}
    timer(const timer&) = delete;
    timer& operator=(const timer&) = delete;
    ~timer() { unlink(); }

    bool armed() const noexcept { return due_ != time_point::max(); }

private:
    friend class deadline_wheel;
    void unlink() noexcept;

    callback on_due_;
    void* context_;
    time_point due_{time_point::max()};
    std::uint64_t slot_tick_{0};
    timer* next_{nullptr};
    timer* previous_{nullptr};
    deadline_wheel* wheel_{nullptr};
};

// All deadlines of one loop behind one timer of Asio's. Resolution is one tick: a deadline fires at or up to a tick
// after its time, never before.
class deadline_wheel {
public:
    static constexpr duration tick = milliseconds(10);

    explicit deadline_wheel(time_point now) noexcept : start_(now) {}
    deadline_wheel(const deadline_wheel&) = delete;
    deadline_wheel& operator=(const deadline_wheel&) = delete;
    ~deadline_wheel();

    // time_point::max() means never, and is the same as cancel().
    void schedule(timer& t, time_point due) noexcept;
    void cancel(timer& t) noexcept { t.due_ = time_point::max(); }

    // Calls every due timer. A callback may schedule and destroy timers, itself included.
    void advance(time_point now) noexcept;

    // How long the loop may sleep, or duration::max() when nothing is scheduled.
    duration until_next(time_point now) const noexcept;

private:
    friend class timer;
    static constexpr std::size_t slots = 1024;

    std::uint64_t tick_of(time_point t) const noexcept;
    void link(timer& t) noexcept;

    time_point start_;
    std::uint64_t current_{0};  // every tick up to this one has been fired
    std::array<timer*, slots> heads_{};
    std::array<std::uint64_t, slots / 64> occupied_{};
};

}  // namespace spillway::net
