#include <spillway/server/farewell.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

#include <spillway/base/threads.hpp>

namespace spillway::server {
struct farewell::book {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> open;
};

void farewell::add(std::string what, std::function<void()> step) {
    if (!book_) book_ = std::make_shared<book>();
    {
        const std::lock_guard lock(book_->mutex);
        book_->open.push_back(what);
    }
    std::thread([b = book_, what = std::move(what), step = std::move(step)] {
        block_signals();
        step();
        const std::lock_guard lock(b->mutex);
        b->open.erase(std::find(b->open.begin(), b->open.end(), what));
        b->changed.notify_all();
    }).detach();
}

std::vector<std::string> farewell::wait(time_point until) {
    if (!book_) return {};
    std::unique_lock lock(book_->mutex);
    book_->changed.wait_until(lock, until, [this] { return book_->open.empty(); });
    return book_->open;
}

void leave_at_the_latest(time_point end) {
    std::thread([end] {
        block_signals();
        std::this_thread::sleep_until(end);
        std::_Exit(0);
    }).detach();
}

}  // namespace spillway::server
