#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <limits>

// Sums and products of sizes that come from outside: what does not fit stays at the end of its type's range. A
// wrapped sum has another sign or is small, and then opens what it should shut.
namespace spillway {

template <std::integral T>
constexpr T add_sat(T a, T b) noexcept {
    T sum{};
    if (!__builtin_add_overflow(a, b, &sum)) return sum;
    return b < 0 ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
}

template <std::integral T>
constexpr T sub_sat(T a, T b) noexcept {
    T rest{};
    if (!__builtin_sub_overflow(a, b, &rest)) return rest;
    if constexpr (std::unsigned_integral<T>) return 0;
    return b < 0 ? std::numeric_limits<T>::max() : std::numeric_limits<T>::min();
}

template <std::integral T>
constexpr T mul_sat(T a, T b) noexcept {
    T product{};
    if (!__builtin_mul_overflow(a, b, &product)) return product;
    return (a < 0) != (b < 0) ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
}

constexpr std::int64_t to_signed(std::uint64_t n) noexcept {
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    return n > static_cast<std::uint64_t>(most) ? most : static_cast<std::int64_t>(n);
}

// Any thread; orders no other access.
inline void add_sat(std::atomic<std::int64_t>& to, std::int64_t more) noexcept {
    auto before = to.load(std::memory_order_relaxed);
    while (!to.compare_exchange_weak(before, add_sat(before, more), std::memory_order_relaxed)) {
    }
}

}  // namespace spillway
