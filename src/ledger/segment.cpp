#include "segment.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec.hpp"
#include "crc32c.hpp"

namespace spillway::ledger {
namespace {

constexpr std::array<char, 8> segment_magic{'S', 'P', 'W', 'F', 'R', 'A', 'M', '1'};
constexpr std::int64_t largest = std::int64_t{1} << 30;

fault segment_failed(const std::string& what, const std::string& name, int error) {
    return {spool_fault, origin::gateway, 500, what + " " + name + ": " + std::strerror(error)};
}

// MAP_POPULATE readies pages of a file for reading alone; the first write to each would still go to the kernel.
void make_writable(std::byte* memory, std::size_t bytes) noexcept {
#if defined(MADV_POPULATE_WRITE)
    if (::madvise(memory, bytes, MADV_POPULATE_WRITE) == 0) return;
#endif
    for (std::size_t at = 0; at < bytes; at += 4096) *static_cast<volatile std::byte*>(memory + at) = std::byte{0};
}

}  // namespace

segment::segment(std::string name, int fd, std::byte* memory, std::uint32_t size, bool writable)
    : name_(std::move(name)), fd_(fd), memory_(memory), size_(size), number_(crc32c(name_.data(), name_.size())) {
    guard_.emplace(memory, size, writable, broken_);
}

result<std::shared_ptr<segment>> segment::create(int folder, const std::string& name, std::size_t bytes) {
    const int fd = ::openat(folder, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return segment_failed("cannot make", name, errno);
    const auto give_up = [&](int error) {
        ::unlinkat(folder, name.c_str(), 0);
        ::close(fd);
        return segment_failed("cannot reserve", name, error);
    };
    if (const int error = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes)); error != 0) return give_up(error);
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (memory == MAP_FAILED) return give_up(errno);
    std::shared_ptr<segment> made(
        new segment(name, fd, static_cast<std::byte*>(memory), static_cast<std::uint32_t>(bytes), true));
    make_writable(made->memory_, bytes);
    std::memcpy(memory, segment_magic.data(), segment_magic.size());
    return made;
}

result<std::shared_ptr<segment>> segment::open(int folder, const std::string& name) {
    const int fd = ::openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return segment_failed("cannot open", name, errno);
    struct stat about {};
    void* memory = MAP_FAILED;
    int error = EINVAL;
    if (::fstat(fd, &about) == 0 && about.st_size >= head_bytes && about.st_size <= largest) {
        memory = ::mmap(nullptr, static_cast<std::size_t>(about.st_size), PROT_READ, MAP_SHARED, fd, 0);
        error = errno;
    }
    if (memory == MAP_FAILED) {
        ::close(fd);
        return segment_failed("cannot read", name, error);
    }
    std::shared_ptr<segment> made(
        new segment(name, fd, static_cast<std::byte*>(memory), static_cast<std::uint32_t>(about.st_size), false));
    if (std::memcmp(memory, segment_magic.data(), segment_magic.size()) != 0)
        return segment_failed("no spool file:", name, EINVAL);
    return made;
}

void segment::rename(std::string name) noexcept {
    name_ = std::move(name);
    number_ = crc32c(name_.data(), name_.size());
}

// What was written to the disk meanwhile is made ready for writing anew.
void segment::reuse() noexcept {
    make_writable(memory_, size_);
    std::memcpy(memory_, segment_magic.data(), segment_magic.size());
    end_frames(memory_ + head_bytes);
    committed.store(head_bytes, std::memory_order_relaxed);
    next.store(nullptr, std::memory_order_relaxed);
    carried.store(head_bytes, std::memory_order_relaxed);
    seen = head_bytes;
}

segment::~segment() {
    guard_.reset();
    ::munmap(memory_, size_);
    ::close(fd_);
}

bool segment::sync() const noexcept { return ::fdatasync(fd_) == 0; }

}  // namespace spillway::ledger
