#include <spillway/net/loop.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace spillway::net {

void interrupt::fire() noexcept {
    fired_ = true;
    if (auto* w = current_) w->complete(wake::interrupted);
}

void waiter::suspend(std::coroutine_handle<> h, time_point deadline, interrupt* by) noexcept {
    handle_ = h;
    result_ = wake::ready;
    interrupt_ = by;
    if (by != nullptr) {
        by->current_ = this;
        // A fired interrupt ends the wait in the next tick rather than on this stack, which still suspends.
        if (by->fired_) deadline = time_point{};
    }
    loop_.wheel().schedule(timer_, deadline);
}

void waiter::complete(wake how) noexcept {
    if (!handle_) return;
    result_ = how;
    loop_.wheel().cancel(timer_);
    if (interrupt_ != nullptr) {
        if (interrupt_->fired_) result_ = wake::interrupted;
        interrupt_->current_ = nullptr;
        interrupt_ = nullptr;
    }
    std::exchange(handle_, {}).resume();
}

void waiter::on_due(void* self) noexcept { static_cast<waiter*>(self)->complete(wake::timed_out); }

void watch::open(int fd) {
    close();
    fd_ = fd;
    // A new descriptor is taken to be ready: the first operation finds out for free what a report would tell.
    readable = writable = true;
    hung_up = false;
    loop_.add(fd, *this);
}

void watch::close() noexcept {
    if (fd_ < 0) return;
    const int fd = release();
    ::close(fd);
}

int watch::release() noexcept {
    const int fd = std::exchange(fd_, -1);
    if (fd >= 0) loop_.remove(fd, *this);
    readable = writable = false;
    return fd;
}

void watch::on_events(std::uint32_t events) noexcept {
    constexpr std::uint32_t ended = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
    if ((events & ended) != 0) hung_up = true;
    const bool read = (events & (EPOLLIN | ended)) != 0, write = (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
    if (read) readable = true;
    if (write) writable = true;
    // A resumed coroutine may close or destroy this watch: touch nothing after a resume without asking the loop.
    if (write && writer_.waiting()) {
        loop& l = loop_;
        const int mine = l.current_;
        writer_.complete(wake::ready);
        if (l.events_[mine].data.ptr != this) return;
    }
    if (!read) return;
    if (reader_.waiting()) reader_.complete(wake::ready);
    else if (reads_wake_writer_ && writer_.waiting()) writer_.complete(wake::ready);
    else if (on_idle != nullptr) on_idle(*this);
}

loop::loop() : now_(clock::now()), wheel_(now_) {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    event_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (epoll_ < 0 || event_ < 0) throw std::system_error(errno, std::generic_category(), "event loop");
    epoll_event ev{};
    ev.events = EPOLLIN;
    ev.data.ptr = nullptr;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, event_, &ev);
}

loop::~loop() {
    ::close(event_);
    ::close(epoll_);
}

void loop::add(int fd, watch& w) {
    epoll_event ev{};
    ev.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    ev.data.ptr = &w;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &ev) != 0)
        throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

void loop::remove(int fd, watch& w) noexcept {
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    // Reports for it that this round has not come to yet would be about a dead object.
    for (int i = current_; i < count_; ++i)
        if (events_[i].data.ptr == &w) events_[i].data.ptr = this;
}

void loop::run() {
    while (!stopping_.load(std::memory_order_relaxed)) {
        const duration sleep = wheel_.until_next(now_);
        int timeout =
            sleep == duration::max()
                ? -1
                : static_cast<int>(
                      std::chrono::duration_cast<milliseconds>(sleep + milliseconds(1) - nanoseconds(1)).count());
        if (!yielded_.empty()) timeout = 0;
        count_ = ::epoll_wait(epoll_, events_, batch, timeout);
        now_ = clock::now();
        const time_point began = now_;
        bool posted = false;
        for (current_ = 0; current_ < count_; ++current_) {
            void* target = events_[current_].data.ptr;
            if (target == nullptr) posted = true;
            else if (target != this) static_cast<watch*>(target)->on_events(events_[current_].events);
        }
        const bool had_events = count_ > 0 || !yielded_.empty();
        current_ = count_ = 0;
        if (posted) run_posted();
        if (!yielded_.empty()) run_yielded();
        wheel_.advance(now_);
        if (had_events) {
            now_ = clock::now();
            const auto took = (now_ - began).count();
            if (took > longest_round_.load(std::memory_order_relaxed))
                longest_round_.store(took, std::memory_order_relaxed);
        }
    }
    run_posted();
}

void loop::run_posted() {
    std::uint64_t ignored = 0;
    [[maybe_unused]] const auto n = ::read(event_, &ignored, sizeof ignored);
    std::vector<std::function<void()>> work;
    {
        const std::lock_guard lock(posted_mutex_);
        work.swap(posted_);
    }
    for (auto& w : work) w();
}

// Those that yield again meanwhile have their turn in a later round, and so have those for whom this round has no
// time left: however many have much to do, whoever has little waits for one share of it.
void loop::run_yielded() noexcept {
    const std::size_t n = yielded_.size();
    std::size_t i = 0;
    for (const time_point began = clock::now(); i < n;) {
        auto* w = std::exchange(yielded_[i++], nullptr);
        if (w == nullptr) continue;
        w->complete(wake::ready);
        if (i < n && clock::now() - began >= most_yielded) break;
    }
    yielded_.erase(yielded_.begin(), yielded_.begin() + static_cast<std::ptrdiff_t>(i));
}

void loop::forget_yielded(const waiter& w) noexcept {
    for (auto& y : yielded_)
        if (y == &w) y = nullptr;
}

void loop::stop() noexcept {
    stopping_.store(true, std::memory_order_relaxed);
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(event_, &one, sizeof one);
}

void loop::post(std::function<void()> work) {
    {
        const std::lock_guard lock(posted_mutex_);
        posted_.push_back(std::move(work));
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(event_, &one, sizeof one);
}

}  // namespace spillway::net
