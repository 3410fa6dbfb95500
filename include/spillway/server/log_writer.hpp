#pragma once

#include <spdlog/spdlog.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <spillway/config/tree.hpp>

namespace spillway::server {

// The thread that writes access log lines, so that no worker ever waits for a terminal or a disk.
class log_writer {
public:
    log_writer();
    ~log_writer();

    // Any worker: takes a batch of whole lines, or refuses when more than 16 MiB wait.
    bool take(std::string&& lines);
    // Where lines go from now on: a file path, or standard output when empty. Main thread.
    void direct_to(const std::string& file);
    void reopen();  // after a log rotation

private:
    void work();

    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<std::string> waiting_;
    std::size_t waiting_bytes_{0};
    bool stopping_{false};
    std::string file_;
    std::shared_ptr<spdlog::logger> out_;
    std::thread thread_;
};

// The daemon's own log (start, reload, breaker alarms): standard error, text or JSON.
void set_up_log(const config::log& from, std::string_view level_override);
void tell(const std::vector<config::issue>& issues);

}  // namespace spillway::server
