#pragma once

#include <spdlog/spdlog.h>

#include <memory>
#include <string>
#include <string_view>

#include <spillway/config/tree.hpp>
#include <spillway/server/line_writer.hpp>

namespace spillway::server {

// What a stopped reader or a full disk has cost, told to operators: when it begins and when it is over. Main thread.
class loss_teller {
public:
    explicit loss_teller(std::string_view of) : of_(of) {}
    void look(const line_writer& w);

private:
    std::string_view of_;
    std::uint64_t told_{0};
    bool failing_{false};
};

// The access log: a file, or standard output. Main thread, but for take().
class access_log {
public:
    access_log();

    // Any worker: whole lines, which are lost and counted when 16 MiB wait.
    void take(std::string&& lines) noexcept { lines_.take(std::move(lines)); }

    // The file of that name, standard output for none. Opening may fail, direct_to() may not.
    static result<std::shared_ptr<output_file>> open(const std::string& file);
    static std::optional<fault> trouble_with(const std::string& file);
    void direct_to(std::shared_ptr<output_file> to);
    // After a rotation. A file that cannot be opened now is tried again by look(); until then the old one serves on.
    void reopen();
    void look();
    // The workers have ended.
    void finish() noexcept { lines_.finish(); }

    const std::string& file() const noexcept { return file_; }
    std::uint64_t lost() const noexcept { return lines_.lost(); }

private:
    std::string file_;
    bool reopen_due_{false};
    line_writer lines_;
    loss_teller teller_{"access log"};
};

// The daemon's own log (start, reload, breaker alarms) on standard error, text or JSON, behind spdlog's default
// logger while this lives. No caller ever waits for the reader.
class daemon_log {
public:
    daemon_log();
    ~daemon_log();
    daemon_log(const daemon_log&) = delete;
    daemon_log& operator=(const daemon_log&) = delete;

    void configure(const config::log& from, std::string_view level_override);
    void look() { teller_.look(*lines_); }
    // The last line has been said.
    void finish() noexcept { lines_->finish(milliseconds(500)); }
    std::uint64_t lost() const noexcept { return lines_->lost(); }

private:
    std::shared_ptr<line_writer> lines_;
    std::shared_ptr<spdlog::logger> logger_;
    loss_teller teller_{"log"};
};

// How the daemon's log writes its lines. Messages come from outside in part (a database's error text, a value of the
// configuration): whatever they hold, one message is one line, and of JSON one member.
std::unique_ptr<spdlog::formatter> log_formatter(config::log_format format);

}  // namespace spillway::server
