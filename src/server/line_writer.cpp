#include <spillway/server/line_writer.hpp>

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <vector>

#include <spillway/base/threads.hpp>

namespace spillway::server {
namespace {

std::uint64_t lines_in(std::string_view s) noexcept {
    return static_cast<std::uint64_t>(std::count(s.begin(), s.end(), '\n'));
}

}  // namespace

struct line_writer::queue {
    const std::size_t most_bytes;
    std::mutex mutex;
    std::condition_variable wake, progress;
    std::vector<std::string> waiting;
    std::size_t bytes{0};  // waiting or being written
    bool stopping{false}, ended{false};
    std::shared_ptr<output_file> to;
    bool torn{false};  // of the thread: the last line in `to` lacks its end
    std::atomic<std::uint64_t> lost{0}, written_bytes{0};
    std::atomic<int> trouble{0};
    std::atomic<bool> given_up{false};

    queue(std::size_t most, std::shared_ptr<output_file> first) : most_bytes(most), to(std::move(first)) {}

    void lose(std::string_view lines, int why) noexcept {
        lost.fetch_add(lines_in(lines), std::memory_order_relaxed);
        trouble.store(why, std::memory_order_relaxed);
    }

    void write(int fd, std::string_view lines) noexcept {
        if (torn && ::write(fd, "\n", 1) == 1) torn = false;
        while (!lines.empty()) {
            const ssize_t n = ::write(fd, lines.data(), lines.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && errno == EAGAIN && !given_up.load(std::memory_order_relaxed)) {
                // The parent process may have made the descriptor non-blocking.
                pollfd look{fd, POLLOUT, 0};
                ::poll(&look, 1, 100);
                continue;
            }
            if (n <= 0) return lose(lines, n < 0 ? errno : EIO);
            torn = lines[static_cast<std::size_t>(n) - 1] != '\n';
            lines.remove_prefix(static_cast<std::size_t>(n));
            written_bytes.fetch_add(static_cast<std::uint64_t>(n), std::memory_order_relaxed);
        }
        trouble.store(0, std::memory_order_relaxed);
    }
};

line_writer::line_writer(std::size_t most_bytes, std::shared_ptr<output_file> to)
    : queue_(std::make_shared<queue>(most_bytes, std::move(to))), thread_([q = queue_] { work(q); }) {}

line_writer::~line_writer() { finish(); }

bool line_writer::take(std::string&& lines) noexcept {
    try {
        const std::lock_guard lock(queue_->mutex);
        if (!queue_->stopping && queue_->bytes + lines.size() <= queue_->most_bytes) {
            const std::size_t size = lines.size();
            queue_->waiting.push_back(std::move(lines));
            queue_->bytes += size;
            queue_->wake.notify_one();
            return true;
        }
    } catch (const std::exception&) {
        // No memory for the queue: as if it were full.
    }
    queue_->lose(lines, ENOBUFS);
    return false;
}

void line_writer::direct_to(std::shared_ptr<output_file> to) {
    const std::lock_guard lock(queue_->mutex);
    queue_->to = std::move(to);
}

void line_writer::finish(duration patience) noexcept {
    if (!thread_.joinable()) return;
    std::unique_lock lock(queue_->mutex);
    queue_->stopping = true;
    queue_->wake.notify_all();
    // A reader that is slow is waited for a while, one that has stopped is not.
    auto before = queue_->written_bytes.load();
    for (int rounds = 0; rounds < 5; ++rounds) {
        if (queue_->progress.wait_for(lock, patience, [this] { return queue_->ended; })) break;
        const auto now = queue_->written_bytes.load();
        if (now == before) break;
        before = now;
    }
    const bool ended = queue_->ended;
    queue_->given_up = true;
    lock.unlock();
    ended ? thread_.join() : thread_.detach();
}

std::uint64_t line_writer::lost() const noexcept { return queue_->lost.load(std::memory_order_relaxed); }
int line_writer::trouble() const noexcept { return queue_->trouble.load(std::memory_order_relaxed); }

void line_writer::work(const std::shared_ptr<queue>& q) {
    block_signals();
    std::vector<std::string> batch;
    std::unique_lock lock(q->mutex);
    for (;;) {
        q->wake.wait(lock, [&] { return q->stopping || !q->waiting.empty(); });
        if (q->waiting.empty()) break;
        batch.swap(q->waiting);
        auto to = q->to;
        lock.unlock();
        std::size_t done = 0;
        for (const auto& lines : batch) {
            if (!q->given_up) q->write(to->fd(), lines);
            done += lines.size();
        }
        batch.clear();
        to.reset();
        lock.lock();
        q->bytes -= done;  // not before: what is being written takes memory too
    }
    q->ended = true;
    q->progress.notify_all();
}

}  // namespace spillway::server
