#include <spillway/server/process.hpp>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <limits>

namespace spillway::server {

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

std::size_t descriptor_limit() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY)
        return std::numeric_limits<int>::max();
    return limit.rlim_max;
}

std::size_t open_descriptors() {
    std::error_code ec;
    std::filesystem::directory_iterator at("/proc/self/fd", ec);
    return ec ? 0 : static_cast<std::size_t>(std::distance(at, std::filesystem::directory_iterator{}));
}

void forbid_core_dumps() {
#if !defined(__SANITIZE_ADDRESS__)
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::prctl(PR_SET_DUMPABLE, 0);
#endif
}

bool descriptor_reserve::lend(std::size_t how_many) noexcept {
    bool any = false;
    for (; how_many > 0 && !held_.empty(); --how_many, any = true) {
        ::close(held_.back());
        held_.pop_back();
    }
    return any;
}

void descriptor_reserve::refill() noexcept {
    held_.reserve(wanted_);
    while (held_.size() < wanted_) {
        const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0) return;
        held_.push_back(fd);
    }
}

}  // namespace spillway::server
