#include "folder.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <random>
#include <set>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "segment.hpp"
#include "set_aside.hpp"

namespace spillway::ledger {
namespace {

constexpr std::size_t owner_digits = 24;

fault folder_failed(const std::string& what, const std::string& name, int error) {
    return {spool_fault, origin::gateway, 500, what + " " + name + ": " + std::strerror(error)};
}

// Names of owners never come again, so that a file's name says for ever what it is.
std::string new_owner() {
    std::random_device random;
    std::uint64_t time =
        static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) / 1000;
    std::uint64_t noise = random();
    std::string out(owner_digits, '0');
    for (std::size_t i = owner_digits; i-- > owner_digits - 8; noise >>= 4) out[i] = "0123456789abcdef"[noise & 15U];
    for (std::size_t i = owner_digits - 8; i-- > 0; time >>= 4) out[i] = "0123456789abcdef"[time & 15U];
    return out;
}

// -1 when another process holds it, or held it and removed the file meanwhile.
int try_lock(int folder, const std::string& name) noexcept {
    const int fd = ::openat(folder, name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return -1;
    struct stat mine {};
    struct stat there {};
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0 && ::fstat(fd, &mine) == 0 &&
        ::fstatat(folder, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 && mine.st_ino == there.st_ino)
        return fd;
    const int error = errno;
    ::close(fd);
    errno = error;
    return -1;
}

}  // namespace

bool write_all(int fd, std::string_view bytes) noexcept {
    while (!bytes.empty()) {
        const auto n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

result<std::unique_ptr<folder>> folder::open(const std::string& path) {
    std::error_code ec;
    const auto parent = std::filesystem::path(path).parent_path();
    if (!parent.empty()) std::filesystem::create_directories(parent, ec);
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return folder_failed("cannot make the spool", path, errno);
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return folder_failed("cannot open the spool", path, errno);
    std::unique_ptr<folder> made(new folder(fd));
    ::fchmod(fd, 0700);  // best effort: an operator may have made it for us
    for (int tries = 0; tries < 8 && made->lock_ < 0; ++tries) {
        made->owner_ = new_owner();
        made->lock_ = try_lock(fd, made->owner_ + ".lock");
    }
    if (made->lock_ < 0) return folder_failed("cannot write to the spool", path, errno);
    return made;
}

folder::~folder() {
    for (const auto& [owner, lock] : held_) ::close(lock);
    if (lock_ >= 0) ::close(lock_);
    ::close(fd_);
}

std::string_view folder::owner_of(std::string_view name) noexcept {
    const auto owner = name.substr(0, name.find('.'));
    if (owner.size() != owner_digits || owner.find_first_not_of("0123456789abcdef") != std::string_view::npos)
        return {};
    return owner;
}

std::vector<std::string> folder::names() const {
    std::vector<std::string> out;
    const int copy = ::openat(fd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const open = copy < 0 ? nullptr : ::fdopendir(copy);
    if (open == nullptr) {
        if (copy >= 0) ::close(copy);
        return out;
    }
    while (const dirent* entry = ::readdir(open)) out.emplace_back(entry->d_name);
    ::closedir(open);
    return out;
}

std::vector<std::string> folder::adopt() {
    std::set<std::string, std::less<>> owners;
    for (const auto& name : names())
        if (const auto owner = owner_of(name); !owner.empty() && !holds(owner)) owners.emplace(owner);
    std::vector<std::string> out;
    for (const auto& owner : owners) {
        const int lock = try_lock(fd_, owner + ".lock");
        if (lock < 0) continue;
        held_.emplace(owner, lock);
        out.push_back(owner);
    }
    return out;
}

void folder::release(const std::string& owner) {
    remove(owner + ".lock");  // before unlocking, so that no process takes it for a new owner's
    if (const auto it = held_.find(owner); it != held_.end()) {
        ::close(it->second);
        held_.erase(it);
    }
}

std::optional<fault> folder::save(const std::string& name, std::string_view bytes) const {
    const std::string temporary = owner_ + ".tmp";
    const int fd =
        ::openat(fd_, temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0) return folder_failed("cannot write", name, errno);
    const bool written = write_all(fd, bytes) && ::fdatasync(fd) == 0;
    const int error = errno;
    ::close(fd);
    if (!written || ::renameat(fd_, temporary.c_str(), fd_, name.c_str()) != 0) {
        const int why = written ? errno : error;
        remove(temporary);
        return folder_failed("cannot write", name, why);
    }
    sync();
    return std::nullopt;
}

std::optional<std::string> folder::load(const std::string& name) const {
    const int fd = ::openat(fd_, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return std::nullopt;
    struct stat about {};
    std::string out;
    if (::fstat(fd, &about) == 0) out.resize(static_cast<std::size_t>(about.st_size));
    std::size_t have = 0;
    while (have < out.size()) {
        const auto n = ::read(fd, out.data() + have, out.size() - have);
        if (n <= 0) break;
        have += static_cast<std::size_t>(n);
    }
    ::close(fd);
    out.resize(have);
    return out;
}

std::optional<fault> folder::append(const std::string& name, std::string_view bytes, std::uint64_t limit) const {
    const int fd = open_locked(fd_, name, O_WRONLY | O_CREAT | O_APPEND);
    if (fd < 0) return folder_failed("cannot write", name, errno);
    struct stat about {};
    std::optional<fault> f;
    if (::fstat(fd, &about) != 0) f = folder_failed("cannot write", name, errno);
    else if (static_cast<std::uint64_t>(about.st_size) + bytes.size() > limit)
        f = fault{file_full, origin::gateway, 500, name + " is full"};
    else if (!write_all(fd, bytes) || ::fdatasync(fd) != 0) {
        f = folder_failed("cannot write", name, errno);
        // Half a line would swallow the next one. What stands there as well is written once more, which is harmless.
        if (::ftruncate(fd, about.st_size) != 0) f->message += ", and cannot be cut back";
    }
    ::close(fd);
    return f;
}

std::vector<std::string> folder::held() const {
    std::vector<std::string> out;
    for (const auto& [owner, lock] : held_) out.push_back(owner);
    return out;
}

void folder::sync() const noexcept { ::fsync(fd_); }

bool folder::rename(const std::string& from, const std::string& to) const noexcept {
    return ::renameat(fd_, from.c_str(), fd_, to.c_str()) == 0;
}

void folder::remove(const std::string& name) const noexcept { ::unlinkat(fd_, name.c_str(), 0); }

}  // namespace spillway::ledger
