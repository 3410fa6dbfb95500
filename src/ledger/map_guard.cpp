#include "map_guard.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>

namespace spillway::ledger {

// What the signal handler may read at any moment: atomics that are never freed. `begin` is written last and taken
// away first.
struct slot {
    std::atomic<std::uintptr_t> begin{0};
    std::atomic<std::size_t> bytes{0};
    std::atomic<int> protection{0};
    std::atomic<std::atomic<bool>*> broken{nullptr};
    bool used{false};  // under the mutex
};

namespace {

struct block {
    std::array<slot, 256> slots;
    std::atomic<block*> next{nullptr};
};

std::mutex changing;
block first;
struct sigaction before {};
std::uintptr_t page_bytes = 4096;

bool replace_page(std::uintptr_t at) noexcept {
    for (block* b = &first; b != nullptr; b = b->next.load(std::memory_order_acquire))
        for (auto& s : b->slots) {
            const auto begin = s.begin.load(std::memory_order_acquire);
            if (begin == 0 || at < begin || at - begin >= s.bytes.load(std::memory_order_relaxed)) continue;
            void* const page = reinterpret_cast<void*>(at & ~(page_bytes - 1));
            if (::mmap(page, page_bytes, s.protection.load(std::memory_order_relaxed),
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
                return false;
            s.broken.load(std::memory_order_relaxed)->store(true, std::memory_order_relaxed);
            return true;
        }
    return false;
}

void on_bus_error(int, siginfo_t* info, void*) {
    const int kept = errno;
    // Not ours: the access is repeated and meets the earlier handler.
    if (!replace_page(reinterpret_cast<std::uintptr_t>(info->si_addr))) ::sigaction(SIGBUS, &before, nullptr);
    errno = kept;
}

void take_signal() {
    static std::once_flag once;
    std::call_once(once, [] {
        page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
        struct sigaction mine {};
        mine.sa_sigaction = on_bus_error;
        mine.sa_flags = SA_SIGINFO | SA_NODEFER;
        ::sigaction(SIGBUS, &mine, &before);
    });
}

slot* free_slot() {
    for (block* b = &first;;) {
        for (auto& s : b->slots)
            if (!s.used) return &s;
        if (block* const next = b->next.load(std::memory_order_relaxed)) {
            b = next;
            continue;
        }
        auto* const made = new block;
        b->next.store(made, std::memory_order_release);
        b = made;
    }
}

}  // namespace

map_guard::map_guard(void* begin, std::size_t bytes, bool writable, std::atomic<bool>& broken) {
    take_signal();
    const std::lock_guard lock(changing);
    slot_ = free_slot();
    slot_->used = true;
    slot_->bytes.store(bytes, std::memory_order_relaxed);
    slot_->protection.store(writable ? PROT_READ | PROT_WRITE : PROT_READ, std::memory_order_relaxed);
    slot_->broken.store(&broken, std::memory_order_relaxed);
    slot_->begin.store(reinterpret_cast<std::uintptr_t>(begin), std::memory_order_release);
}

map_guard::~map_guard() {
    const std::lock_guard lock(changing);
    slot_->begin.store(0, std::memory_order_release);
    slot_->used = false;
}

}  // namespace spillway::ledger
