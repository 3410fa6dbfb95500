#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include <spillway/net/address.hpp>

namespace spillway::proxy {

// How many connections each client address has open, over all workers: an IPv4 address, or a /64 of IPv6, which is
// what one line gets. A fixed table without locks; its memory does not grow with the number of addresses. Where more
// addresses meet in one part of it than there is room for, those that come last are not counted, so a crowd can
// weaken the limit, but never bar a client.
class address_counts {
public:
    // For a listener with that many connections.
    explicit address_counts(std::size_t connections);
    address_counts(const address_counts&) = delete;
    address_counts& operator=(const address_counts&) = delete;

    // False: a listener with that many connections wants a larger one.
    bool suits(std::size_t connections) const noexcept { return slots_wanted(connections) <= mask_ + 1; }

    using place = std::size_t;
    static constexpr place uncounted = ~place{0};

    // Where the connection was counted, for leave(); nothing: the address has `limit` open already.
    std::optional<place> enter(const net::address& from, std::uint32_t limit) noexcept;
    void leave(place at) noexcept;

private:
    // An address has its slot among so many, side by side.
    static constexpr std::size_t window = 32;
    static constexpr unsigned count_bits = 20;  // listeners have up to a million connections
    static constexpr std::uint64_t count_mask = (std::uint64_t{1} << count_bits) - 1;

    static std::size_t slots_wanted(std::size_t connections) noexcept;
    std::uint64_t hash_of(const net::address& from) const noexcept;
    std::atomic<std::uint64_t>& slot(std::size_t i) const noexcept { return slots_[i & mask_]; }
    // Adds one to the slot if it is this address's; nothing: it is not. False: at the limit.
    std::optional<bool> add(std::size_t i, std::uint64_t mark, std::uint32_t limit) const noexcept;
    std::optional<place> begin(std::size_t first, std::size_t free, std::uint64_t mark, std::uint32_t limit) noexcept;

    std::size_t mask_;
    std::uint64_t seed_;  // no client can choose addresses that meet
    // The address's mark in the upper bits, its count below; 0: free.
    std::unique_ptr<std::atomic<std::uint64_t>[]> slots_;
};

}  // namespace spillway::proxy
