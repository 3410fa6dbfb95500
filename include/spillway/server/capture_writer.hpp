#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <spillway/proxy/captured.hpp>
#include <spillway/server/redact.hpp>

namespace spillway::server {

using proxy::captured;

// The thread that redacts captured prompts and answers and writes them, one line of JSON each, to a file that only
// the gateway's user can read. Nothing is written before it is redacted.
class capture_writer {
public:
    static constexpr std::size_t most_waiting = 32 * 1024 * 1024;

    // `alarm` is called on the writer's thread, once until writing works again.
    explicit capture_writer(std::function<void(std::string)> alarm, std::size_t most_bytes = most_waiting);
    ~capture_writer();  // writes what is left
    capture_writer(const capture_writer&) = delete;
    capture_writer& operator=(const capture_writer&) = delete;

    // Any thread, holds the lock for a push alone. False: it was dropped, because too much waits or nothing is
    // captured.
    bool take(captured&& what) noexcept;
    // Whether it makes sense to collect texts at all. Any thread.
    bool on() const noexcept { return on_.load(std::memory_order_relaxed); }

    // A file that texts can go to, and what is taken out of them. Main thread; fault: `capture_file`. A file that
    // exists keeps its mode.
    struct target;
    static result<std::shared_ptr<target>> open(const std::string& file, redactor by);
    static std::optional<fault> trouble_with(const std::string& file);
    void direct_to(std::shared_ptr<target> next);  // null: nowhere
    std::shared_ptr<target> present() const;
    // After a rotation; the fault leaves everything as it was.
    std::optional<fault> reopen();

    // Nothing comes any more: writes what waits, however long the file takes.
    void finish() noexcept;

    std::uint64_t written() const noexcept { return written_.load(std::memory_order_relaxed); }
    // No room, no file, or the disk refused. Not counted while nothing is captured.
    std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

private:
    void work();
    void write(const captured& what, target& to);

    std::function<void(std::string)> alarm_;
    const std::size_t most_bytes_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<captured> waiting_;
    std::size_t waiting_bytes_{0};
    bool stopping_{false};
    std::shared_ptr<target> to_;
    std::atomic<bool> on_{false};
    std::atomic<std::uint64_t> written_{0}, dropped_{0};
    bool told_{false};  // of the thread
    std::thread thread_;
};

// The line without its end.
std::string capture_line(const captured& what, const redactor& by);

}  // namespace spillway::server
