#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include <spillway/base/time.hpp>
#include <spillway/config/identity.hpp>

namespace spillway::core {

// Remembers addresses that failed to prove an identity, so that guessing costs time. Fixed memory: a set of slots
// by hash, of which the oldest gives way; an attacker with many addresses gains no more than those addresses.
class failure_table {
public:
    explicit failure_table(std::size_t slots = 4096) : slots_(slots) {}

    // Counts one more failure of the address; answers how long its refusal has to wait.
    duration on_failure(std::string_view address, const config::slow_down& how, time_point now) noexcept;

private:
    struct slot {
        std::uint64_t address{0};
        time_point began{};
        std::uint32_t failures{0};
    };
    std::vector<slot> slots_;
};

// The part of an address (4 or 16 bytes) that one customer of a network holds: all of IPv4, half of IPv6.
std::string_view customer_part(std::string_view address_bytes) noexcept;

}  // namespace spillway::core
