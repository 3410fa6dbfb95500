#pragma once

#include <atomic>
#include <cstddef>

namespace spillway::ledger {

// Another process may cut a mapped file, or a disk fail to give a page: then the kernel sends SIGBUS to the thread
// that touches it; it would end the process with all streams. While a range is guarded, such a page becomes memory
// of the process instead (zeros), and `broken` says so. Threads must not block SIGBUS.
//
// Why not pwrite(): it would be a system call for each request on a worker's loop, and one that may wait for the
// disk.
class map_guard {
public:
    // `broken` lives as long as the guard.
    map_guard(void* begin, std::size_t bytes, bool writable, std::atomic<bool>& broken);
    ~map_guard();  // before the range is unmapped
    map_guard(const map_guard&) = delete;
    map_guard& operator=(const map_guard&) = delete;

private:
    struct slot* slot_;
};

}  // namespace spillway::ledger
