#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include <spillway/base/time.hpp>
#include <spillway/server/output_file.hpp>

namespace spillway::server {

// Lines on their way to a file, a pipe or a terminal whose reader may stop: a bounded queue and a thread of its own.
// take() never waits; what finds no room or cannot be written is counted.
class line_writer {
public:
    line_writer(std::size_t most_bytes, std::shared_ptr<output_file> to);
    ~line_writer();  // finish()
    line_writer(const line_writer&) = delete;
    line_writer& operator=(const line_writer&) = delete;

    // Any thread. Whole lines; false: they are lost.
    bool take(std::string&& lines) noexcept;
    void direct_to(std::shared_ptr<output_file> to);
    // Nothing comes any more. Waits for `patience` when no line goes out, for five times that when some do; then the
    // thread is left to the end of the process with what it holds.
    void finish(duration patience = seconds(1)) noexcept;

    // Any thread.
    std::uint64_t lost() const noexcept;  // lines
    // Why lines are being lost right now: an errno, ENOBUFS for a queue that is full; 0: they are not.
    int trouble() const noexcept;

private:
    struct queue;
    static void work(const std::shared_ptr<queue>& q);

    std::shared_ptr<queue> queue_;  // shared with the thread, which may outlive this
    std::thread thread_;
};

}  // namespace spillway::server
