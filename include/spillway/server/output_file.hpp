#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include <spillway/base/fault.hpp>

namespace spillway::server {

// A file that is opened for appending before its configuration is accepted. A file that open() made is taken
// away again unless keep() was called, so that a refused configuration leaves none behind.
class output_file {
public:
    struct how {
        mode_t mode{0666};         // of a file that does not exist yet, before the umask
        bool make_folders{false};  // that lead to it
    };
    // Main thread: looks at the disk. Never waits for a reader of a named pipe.
    static result<std::shared_ptr<output_file>> open(const std::string& path, how with);
    static std::shared_ptr<output_file> standard(int fd);  // standard output or error; not closed
    // Why open() would fail, without making anything.
    static std::optional<fault> trouble_with(const std::string& path, how with);

    ~output_file();
    output_file(const output_file&) = delete;
    output_file& operator=(const output_file&) = delete;

    int fd() const noexcept { return fd_; }
    const std::string& path() const noexcept { return path_; }
    void keep() noexcept { made_ = false; }

private:
    output_file(int fd, std::string path, bool made) noexcept : fd_(fd), path_(std::move(path)), made_(made) {}

    int fd_;
    std::string path_;  // empty: standard output or error
    bool made_;
};

}  // namespace spillway::server
