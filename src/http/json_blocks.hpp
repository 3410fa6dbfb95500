#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "bytes.hpp"

// JSON looked at in blocks of 64 bytes: one bit for each byte that matters, so that text between the names costs
// nothing.
namespace spillway::http::json_blocks {

inline constexpr std::size_t block_bytes = 64;

struct block {
    std::uint64_t quote{0}, backslash{0};
    std::uint64_t open{0}, close{0};  // brackets of both kinds, those in strings too
    std::uint64_t after_name{0};      // a colon or a blank
    std::uint64_t e_or_l{0};          // usage, response and model end so
};

#if defined(__SSE2__)
inline block load_whole(const char* p) noexcept {
    using bytes::all;
    block b;
    for (unsigned i = 0; i < 4; ++i) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16 * i));
        const __m128i folded = _mm_or_si128(v, all(0x20));  // '[' falls together with '{', ']' with '}'
        const auto put = [i](std::uint64_t& mask, __m128i m) {
            mask |= std::uint64_t{static_cast<unsigned>(_mm_movemask_epi8(m))} << (16 * i);
        };
        put(b.quote, _mm_cmpeq_epi8(v, all('"')));
        put(b.backslash, _mm_cmpeq_epi8(v, all('\\')));
        put(b.open, _mm_cmpeq_epi8(folded, all('{')));
        put(b.close, _mm_cmpeq_epi8(folded, all('}')));
        put(b.after_name, _mm_or_si128(_mm_cmpeq_epi8(v, all(':')), bytes::at_most(v, ' ')));
        put(b.e_or_l, _mm_or_si128(_mm_cmpeq_epi8(v, all('e')), _mm_cmpeq_epi8(v, all('l'))));
    }
    return b;
}
#else
inline block load_whole(const char* p) noexcept {
    block b;
    for (std::size_t i = 0; i < block_bytes; ++i) {
        const auto c = static_cast<unsigned char>(p[i]);
        const std::uint64_t bit = std::uint64_t{1} << i;
        if (c == '"') b.quote |= bit;
        if (c == '\\') b.backslash |= bit;
        if ((c | 0x20) == '{') b.open |= bit;
        if ((c | 0x20) == '}') b.close |= bit;
        if (c == ':' || c <= ' ') b.after_name |= bit;
        if (c == 'e' || c == 'l') b.e_or_l |= bit;
    }
    return b;
}
#endif

inline std::uint64_t bits_below(unsigned n) noexcept { return (std::uint64_t{1} << n) - 1; }

// Takes the escaped quotes out of `b` (n bytes of it count). `escape`: a backslash stands before the block, and
// afterwards: before the next one.
inline void drop_escaped(block& b, std::size_t n, bool& escape) noexcept {
    if (!escape && b.backslash == 0) return;
    std::uint64_t escaped = escape ? 1 : 0;
    std::uint64_t left = b.backslash & ~escaped;
    while (left != 0) {
        const std::uint64_t one = left & (~left + 1);
        escaped |= one << 1;
        left &= ~(one | one << 1);
    }
    const std::uint64_t last = std::uint64_t{1} << (n - 1);
    escape = (b.backslash & last) != 0 && (escaped & last) == 0;
    b.quote &= ~escaped;
}

// Which instructions a loop over blocks may use: `base` are those that we compile for, `wide` what nearly every
// machine of today has besides. A loop is a template over one of them; with `wide` it is to be inlined into a
// function that is marked SPILLWAY_WIDE, and runs where has_wide says so.
struct base {
    static block load_whole(const char* p) noexcept { return json_blocks::load_whole(p); }
    static int count(std::uint64_t x) noexcept {
        x -= (x >> 1) & 0x5555555555555555U;
        x = (x & 0x3333333333333333U) + ((x >> 2) & 0x3333333333333333U);
        return static_cast<int>((((x + (x >> 4)) & 0x0F0F0F0F0F0F0F0FU) * 0x0101010101010101U) >> 56);
    }
    // Each bit becomes the parity of those up to it.
    static std::uint64_t parity(std::uint64_t x) noexcept {
        for (unsigned step = 1; step < block_bytes; step *= 2) x ^= x << step;
        return x;
    }
};

#if defined(__x86_64__)
#define SPILLWAY_WIDE __attribute__((target("avx2,bmi,popcnt,pclmul")))
inline const bool has_wide = [] {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt") &&
           __builtin_cpu_supports("pclmul");
}();

struct wide {
    SPILLWAY_WIDE static std::uint64_t bits(__m256i low, __m256i high) noexcept {
        return static_cast<std::uint32_t>(_mm256_movemask_epi8(low)) |
               std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(high))} << 32;
    }
    SPILLWAY_WIDE static std::uint64_t equal(__m256i low, __m256i high, char c) noexcept {
        const __m256i all = _mm256_set1_epi8(c);
        return bits(_mm256_cmpeq_epi8(low, all), _mm256_cmpeq_epi8(high, all));
    }
    SPILLWAY_WIDE static block load_whole(const char* p) noexcept {
        const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
        const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32));
        const __m256i fold = _mm256_set1_epi8(0x20);
        const __m256i folded_low = _mm256_or_si256(low, fold), folded_high = _mm256_or_si256(high, fold);
        block b;
        b.quote = equal(low, high, '"');
        b.backslash = equal(low, high, '\\');
        b.open = equal(folded_low, folded_high, '{');
        b.close = equal(folded_low, folded_high, '}');
        b.after_name = equal(low, high, ':') | bits(_mm256_cmpeq_epi8(_mm256_min_epu8(low, fold), low),
                                                    _mm256_cmpeq_epi8(_mm256_min_epu8(high, fold), high));
        b.e_or_l = equal(low, high, 'e') | equal(low, high, 'l');
        return b;
    }
    SPILLWAY_WIDE static int count(std::uint64_t x) noexcept { return __builtin_popcountll(x); }
    SPILLWAY_WIDE static std::uint64_t parity(std::uint64_t x) noexcept {
        const __m128i product =
            _mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<long long>(x)), _mm_set1_epi8(-1), 0);
        return static_cast<std::uint64_t>(_mm_cvtsi128_si64(product));
    }
};
#endif

// Of the first `n` bytes at `p`, at most 64.
template <class Machine>
[[gnu::always_inline]] inline block load(const char* p, std::size_t n) noexcept {
    if (n >= block_bytes) return Machine::load_whole(p);
    char padded[block_bytes] = {};
    std::memcpy(padded, p, n);
    return Machine::load_whole(padded);
}

// A bit for each byte inside a string, its first quote included, its last one not.
template <class Machine>
[[gnu::always_inline]] inline std::uint64_t inside_strings(std::uint64_t quotes, bool in_string) noexcept {
    const std::uint64_t inside = Machine::parity(quotes);
    return in_string ? ~inside : inside;
}

}  // namespace spillway::http::json_blocks
