#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>

#include <spillway/proxy/address_counts.hpp>

namespace spillway::proxy {
namespace {

std::uint64_t mix(std::uint64_t x) noexcept {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

std::uint64_t random_seed() {
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

// Four slots for each connection, of which each has an address of its own at the worst.
std::size_t address_counts::slots_wanted(std::size_t connections) noexcept {
    return std::bit_ceil(std::max<std::size_t>(4 * connections, 4 * window));
}

address_counts::address_counts(std::size_t connections)
    : mask_(slots_wanted(connections) - 1),
      seed_(random_seed()),
      slots_(std::make_unique<std::atomic<std::uint64_t>[]>(mask_ + 1)) {}

std::uint64_t address_counts::hash_of(const net::address& from) const noexcept {
    const auto bytes = from.bytes();
    std::uint64_t key = 0;
    std::memcpy(&key, bytes.data(), std::min(bytes.size(), sizeof key));
    return mix(mix(key ^ seed_) + (from.family() == AF_INET6 ? ~seed_ : seed_));
}

std::optional<bool> address_counts::add(std::size_t i, std::uint64_t mark, std::uint32_t limit) const noexcept {
    auto& s = slot(i);
    auto is = s.load(std::memory_order_relaxed);
    while ((is & ~count_mask) == mark && (is & count_mask) != 0) {
        if ((is & count_mask) >= limit) return false;
        if (s.compare_exchange_weak(is, is + 1, std::memory_order_relaxed)) return true;
    }
    return std::nullopt;
}

std::optional<address_counts::place> address_counts::enter(const net::address& from, std::uint32_t limit) noexcept {
    const auto hash = hash_of(from);
    const auto mark = hash & ~count_mask;
    // The mark has the upper bits; the multiplication spreads all of them over the lower ones.
    const std::size_t first = mix(hash);
    for (unsigned tries = 0; tries < 8; ++tries) {
        std::optional<std::size_t> free;
        for (std::size_t i = first; i != first + window; ++i) {
            if (const auto added = add(i, mark, limit))
                return *added ? std::optional<place>(i & mask_) : std::nullopt;
            if (!free && slot(i).load(std::memory_order_relaxed) == 0) free = i;
        }
        if (!free) return uncounted;
        std::uint64_t empty = 0;
        if (slot(*free).compare_exchange_strong(empty, mark | 1, std::memory_order_relaxed))
            return begin(first, *free, mark, limit);
    }
    return uncounted;
}

// Two workers that meet an address for the first time may each have begun a slot for it: the later one gives way.
std::optional<address_counts::place> address_counts::begin(std::size_t first, std::size_t at, std::uint64_t mark,
                                                           std::uint32_t limit) noexcept {
    for (std::size_t i = first; i != at; ++i)
        if (const auto added = add(i, mark, limit)) {
            leave(at & mask_);
            return *added ? std::optional<place>(i & mask_) : std::nullopt;
        }
    return at & mask_;
}

void address_counts::leave(place at) noexcept {
    if (at == uncounted) return;
    auto& s = slots_[at];
    auto is = s.load(std::memory_order_relaxed);
    while (!s.compare_exchange_weak(is, (is & count_mask) == 1 ? 0 : is - 1, std::memory_order_relaxed)) continue;
}

}  // namespace spillway::proxy
