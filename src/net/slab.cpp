#include <spillway/net/slab.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>

namespace spillway::net {

// Pages inside of the block are taken from its end; what then is freed is a block without pages.
bool slab_pool::release_some(std::size_t bytes) noexcept {
    constexpr std::uintptr_t page = 4096;
    while (!leaving_.empty()) {
        auto& last = leaving_.back();
        const auto begin = reinterpret_cast<std::uintptr_t>(last.memory.get());
        const auto end = (begin + last.left) & ~(page - 1);
        const auto first = (begin + page - 1) & ~(page - 1);
        if (end <= first) {
            leaving_.pop_back();
            continue;
        }
        if (bytes < page) return false;
        const auto from = end - first > bytes ? (end - bytes) & ~(page - 1) : first;
        ::madvise(reinterpret_cast<void*>(from), end - from, MADV_DONTNEED);
        bytes -= std::min(bytes, end - from);
        last.left = from - begin;
    }
    return true;
}

}  // namespace spillway::net
