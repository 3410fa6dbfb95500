#include <spillway/net/loop.hpp>

#include <unistd.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <system_error>

namespace spillway::net {

namespace asio = boost::asio;

namespace {

// A sleep that ended so soon was none: there is more work than time, so the next round looks before it sleeps.
constexpr duration nap = microseconds(10);
// A loop that never sleeps lets Asio look for connections and signals this often.
constexpr duration asio_waits = milliseconds(1);
constexpr int most_handlers = 64;  // of Asio's in one round

}  // namespace

// What wakes a loop that sleeps. Both waits stay armed until they have fired, however many rounds that takes.
class loop::asio_side {
public:
    explicit asio_side(int epoll) : work_(io.get_executor()), set_(io, epoll), timer_(io) {}
    ~asio_side() { set_.release(); }
    asio_side(const asio_side&) = delete;
    asio_side& operator=(const asio_side&) = delete;

    // One system call, the first time after it has fired.
    void watch_set() {
        if (std::exchange(watching_, true)) return;
        set_.async_wait(asio::posix::stream_descriptor::wait_read,
                        [this](const boost::system::error_code&) { watching_ = false; });
    }
    // A wake-up too early costs less than a timer that is moved each time.
    void wake_at(time_point when) {
        if (when >= due_) return;
        due_ = when;
        timer_.expires_at(when);
        timer_.async_wait([this](const boost::system::error_code& ec) {
            if (!ec) due_ = time_point::max();
        });
    }

    asio::io_context io{1};

private:
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    asio::posix::stream_descriptor set_;  // of all watches
    asio::steady_timer timer_;
    time_point due_{time_point::max()};
    bool watching_{false};
};

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

loop::loop() : now_(clock::now()), asio_looked_(now_), wheel_(now_) {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) throw std::system_error(errno, std::generic_category(), "event loop");
    try {
        asio_ = std::make_unique<asio_side>(epoll_);
    } catch (...) {
        ::close(epoll_);
        throw;
    }
}

loop::~loop() {
    asio_.reset();  // and work that never ran, which may still close what it watches
    ::close(epoll_);
}

asio::io_context& loop::context() noexcept { return asio_->io; }

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
    bool busy = false;  // there is more to do for sure, or probably
    while (!stopping_.load(std::memory_order_acquire)) {
        const time_point before = now_;
        const bool slept = !busy && yielded_.empty() && sleep();
        const time_point began = now_;
        if (slept) asio_looked_ = began;
        else if (began - asio_looked_ >= asio_waits) look_at_asio();
        run_posted();
        // What has come goes first: a deadline that is due at the same time was not missed.
        count_ = ::epoll_wait(epoll_, events_, batch, 0);
        busy = count_ == batch || (count_ > 0 && (!slept || began - before < nap));
        dispatch();
        if (!yielded_.empty()) run_yielded();
        wheel_.advance(now_);
        now_ = clock::now();
        const auto took = (now_ - began).count();
        if (took > longest_round_.load(std::memory_order_relaxed))
            longest_round_.store(took, std::memory_order_relaxed);
    }
    asio_->io.restart();
    run_posted();
}

// Until one handler of Asio's has run: the timer's, that of the descriptors, a piece of posted work, or a guest's.
bool loop::sleep() {
    const duration left = wheel_.until_next(now_);
    if (left == duration::zero()) return false;
    if (left != duration::max()) asio_->wake_at(now_ + left);
    asio_->watch_set();
    asleep_ = true;
    asio_->io.run_one();
    if (asleep_) wake_up();
    return true;
}

void loop::look_at_asio() {
    asio_looked_ = now_;
    const time_point began = clock::now();
    for (int i = 0; i < most_handlers && asio_->io.poll_one() != 0; ++i)
        if (clock::now() - began >= most_yielded) break;
}

void loop::dispatch() noexcept {
    for (current_ = 0; current_ < count_; ++current_) {
        void* target = events_[current_].data.ptr;
        if (target != this) static_cast<watch*>(target)->on_events(events_[current_].events);
    }
    current_ = count_ = 0;
}

// What was posted up to now: what that posts itself has its turn in the next round.
void loop::run_posted() {
    const std::uint64_t until = posted_.load(std::memory_order_acquire);
    while (ran_ < until && asio_->io.poll_one() != 0) {
    }
}

// Those that yield again meanwhile have their turn in a later round, and so have those for whom this round has no
// time left: however many have much to do, the others wait for one share of it.
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
    // Once: the loop makes Asio ready again for what was posted before.
    if (!stopping_.exchange(true, std::memory_order_acq_rel)) asio_->io.stop();
}

void loop::post(std::function<void()> work) {
    posted_.fetch_add(1, std::memory_order_release);
    try {
        asio::post(asio_->io, [this, w = std::move(work)] {
            ++ran_;
            if (asleep_) wake_up();
            w();
        });
    } catch (...) {
        posted_.fetch_sub(1, std::memory_order_release);
        throw;
    }
}

}  // namespace spillway::net
