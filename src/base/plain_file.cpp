#include <spillway/base/descriptor.hpp>
#include <spillway/base/plain_file.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace spillway {
namespace {

bool came_with_the_process(std::string_view path) noexcept {
    return path == "/dev/stdin" || path.starts_with("/dev/fd/") || path.starts_with("/proc/self/fd/");
}

std::string kind_of(mode_t mode) {
    if (S_ISDIR(mode)) return "is a folder";
    if (S_ISFIFO(mode)) return "is a named pipe";
    if (S_ISSOCK(mode)) return "is a socket";
    return "is a device";
}

std::optional<file_trouble> trouble_of(const std::string& path, mode_t mode) {
    if (S_ISREG(mode) || (S_ISFIFO(mode) && came_with_the_process(path))) return std::nullopt;
    return file_trouble{kind_of(mode), "give a regular file"};
}

file_trouble cannot_open() { return {"cannot be opened", "check that it exists and that this user may read it"}; }

// Waits until a pipe has something, or has ended. A regular file always has.
bool wait_for_pipe(int fd, std::chrono::steady_clock::time_point until) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    pollfd one{fd, POLLIN, 0};
    return left > 0 && ::poll(&one, 1, static_cast<int>(left)) > 0;
}

}  // namespace

boost::system::result<std::string, file_trouble> read_plain_file(const std::string& path, std::size_t most) {
    struct stat about {};
    // Before opening: to open some devices is to use them.
    if (::stat(path.c_str(), &about) != 0) return cannot_open();
    if (auto t = trouble_of(path, about.st_mode)) return *t;
    const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (file.get() < 0 || ::fstat(file.get(), &about) != 0) return cannot_open();
    // Again: another file may have taken its place.
    if (auto t = trouble_of(path, about.st_mode)) return *t;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    // Room for what nearly all files hold: growing would leave copies of secrets behind.
    constexpr std::size_t usual = 64 * 1024 + 1;
    std::string out(std::min(most, std::max(usual, static_cast<std::size_t>(about.st_size) + 1)), '\0');
    std::size_t size = 0;
    while (size < most) {
        if (size == out.size()) out.resize(std::min(most, 2 * size));
        const auto n = ::read(file.get(), out.data() + size, out.size() - size);
        if (n == 0) break;
        if (n > 0) size += static_cast<std::size_t>(n);
        else if (errno == EAGAIN && !wait_for_pipe(file.get(), until))
            return file_trouble{"is a pipe to which nobody writes", "give a regular file"};
        else if (errno != EINTR && errno != EAGAIN)
            return file_trouble{"cannot be read", "check the disk or the share that it lies on"};
    }
    out.resize(size);
    return {boost::system::in_place_value, std::move(out)};
}

file_trouble trouble_with_file(const std::string& path, std::size_t most) {
    struct stat about {};
    if (path.empty() || ::stat(path.c_str(), &about) != 0) return {};
    if (!S_ISREG(about.st_mode)) return {kind_of(about.st_mode), "give a regular file"};
    if (static_cast<std::uintmax_t>(about.st_size) > most)
        return {"is larger than " + std::to_string(most >> 20) + " MiB", "check that it is the right file"};
    return {};
}

}  // namespace spillway
