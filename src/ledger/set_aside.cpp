#include "set_aside.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <spillway/base/descriptor.hpp>

#include "reject.hpp"

namespace spillway::ledger {
namespace {

constexpr std::size_t head_bytes = 512;
constexpr int lock_tries = 40;
constexpr auto lock_pause = std::chrono::milliseconds(25);

bool leads_to(int folder, const std::string& name, int fd) noexcept {
    struct stat open {};
    struct stat there {};
    return ::fstat(fd, &open) == 0 && ::fstatat(folder, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           open.st_ino == there.st_ino && open.st_dev == there.st_dev;
}

// Quotes within texts are escaped, so that this is the member wherever it stands.
std::int64_t time_of(std::string_view line) noexcept {
    constexpr std::string_view member = "\"time_us\":";
    std::int64_t us = 0;
    if (const auto at = line.find(member); at != std::string_view::npos)
        std::from_chars(line.data() + at + member.size(), line.data() + line.size(), us);
    return us;
}

}  // namespace

bool holds_set_aside(std::string_view name) noexcept {
    return name.starts_with("rejected.") && name.ends_with(".jsonl");
}

int open_locked(int folder, const std::string& name, int flags) noexcept {
    for (int tries = 0; tries < lock_tries; ++tries) {
        const int fd = ::openat(folder, name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0) return -1;
        const bool locked = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
        if (locked && leads_to(folder, name, fd)) return fd;
        const int error = locked ? EWOULDBLOCK : errno;
        ::close(fd);
        errno = error;
        if (error != EWOULDBLOCK && error != EINTR) return -1;
        if (!locked) std::this_thread::sleep_for(lock_pause);
    }
    errno = EWOULDBLOCK;
    return -1;
}

std::string set_aside_files::head_of(int fd, std::size_t size) {
    std::string out(size, '\0');
    const auto n = ::pread(fd, out.data(), out.size(), 0);
    out.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return out;
}

void set_aside_files::read_on(int fd, std::int64_t size, file& into) {
    std::string bytes(static_cast<std::size_t>(size - into.read), '\0');
    std::size_t have = 0;
    while (have < bytes.size()) {
        const auto n = ::pread(fd, bytes.data() + have, bytes.size() - have, into.read + static_cast<off_t>(have));
        if (n <= 0) break;
        have += static_cast<std::size_t>(n);
    }
    std::string_view rest(bytes.data(), have);
    std::string_view last;
    for (std::size_t end = 0; (end = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(end + 1)) {
        last = rest.substr(0, end);
        into.read += static_cast<std::int64_t>(end) + 1;
        ++into.has.records;
        const auto us = time_of(last);
        if (us > 0 && (into.has.oldest_us == 0 || us < into.has.oldest_us)) into.has.oldest_us = us;
    }
    if (last.empty()) return;
    into.has.reason = reason_of(last);
    into.head = head_of(fd, std::min<std::size_t>(head_bytes, static_cast<std::size_t>(into.read)));
}

set_aside set_aside_files::look(int folder, const std::vector<std::string>& names) {
    std::map<std::string, file> seen;
    set_aside all;
    for (const auto& name : names) {
        if (!holds_set_aside(name)) continue;
        const descriptor from(::openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
        const int fd = from.get();
        struct stat about {};
        if (fd < 0 || ::fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) continue;
        file f;
        if (const auto it = files_.find(name); it != files_.end() && it->second.number == about.st_ino &&
                                               it->second.read <= about.st_size &&
                                               it->second.head == head_of(fd, it->second.head.size()))
            f = std::move(it->second);
        f.number = about.st_ino;
        if (f.read < about.st_size) read_on(fd, about.st_size, f);
        all.records += f.has.records;
        if (f.has.oldest_us != 0 && (all.oldest_us == 0 || f.has.oldest_us < all.oldest_us))
            all.oldest_us = f.has.oldest_us;
        if (!f.has.reason.empty()) all.reason = f.has.reason;
        seen.emplace(name, std::move(f));
    }
    files_ = std::move(seen);
    return all;
}

}  // namespace spillway::ledger
