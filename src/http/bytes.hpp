#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Searching in bytes sixteen at a time, with a portable loop for the rest and for other machines.
namespace spillway::http::bytes {

// A matcher answers for one byte and, where SSE2 exists, for sixteen (0xFF where it matches).
#if defined(__SSE2__)
inline __m128i all(char c) noexcept { return _mm_set1_epi8(c); }
// Unsigned v <= n.
inline __m128i at_most(__m128i v, unsigned char n) noexcept {
    return _mm_cmpeq_epi8(_mm_min_epu8(v, all(static_cast<char>(n))), v);
}
#endif

template <class Match>
const char* find(const char* p, const char* end, Match match) noexcept {
#if defined(__SSE2__)
    for (; end - p >= 16; p += 16) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const auto mask = static_cast<unsigned>(_mm_movemask_epi8(match(v)));
        if (mask != 0) return p + __builtin_ctz(mask);
    }
#endif
    while (p != end && !match(static_cast<unsigned char>(*p))) ++p;
    return p;
}

// Where `name` (two bytes at least) begins, else npos. Looks for its first two bytes together: names in JSON begin
// with a quote, which a search by the first byte alone meets everywhere.
inline std::size_t find_text(std::string_view text, std::string_view name) noexcept {
    std::size_t i = 0;
#if defined(__SSE2__)
    const auto at = [text](std::size_t n) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + n));
    };
    for (; i + 16 + name.size() <= text.size(); i += 16) {
        const __m128i pair =
            _mm_and_si128(_mm_cmpeq_epi8(at(i), all(name[0])), _mm_cmpeq_epi8(at(i + 1), all(name[1])));
        for (auto mask = static_cast<unsigned>(_mm_movemask_epi8(pair)); mask != 0; mask &= mask - 1) {
            const std::size_t here = i + static_cast<unsigned>(__builtin_ctz(mask));
            if (std::memcmp(text.data() + here, name.data(), name.size()) == 0) return here;
        }
    }
#endif
    return text.find(name, i);
}

// Ends a field value: control characters but the tab.
struct control {
    bool operator()(unsigned char c) const noexcept { return (c < 0x20 && c != '\t') || c == 0x7F; }
#if defined(__SSE2__)
    __m128i operator()(__m128i v) const noexcept {
        const __m128i low = _mm_andnot_si128(_mm_cmpeq_epi8(v, all('\t')), at_most(v, 0x1F));
        return _mm_or_si128(low, _mm_cmpeq_epi8(v, all(0x7F)));
    }
#endif
};

// Ends a field name: the colon, or a control character where there should have been one.
struct colon_or_control {
    bool operator()(unsigned char c) const noexcept { return c == ':' || c < 0x20; }
#if defined(__SSE2__)
    __m128i operator()(__m128i v) const noexcept {
        return _mm_or_si128(_mm_cmpeq_epi8(v, all(':')), at_most(v, 0x1F));
    }
#endif
};

// Ends a request target: all but visible ASCII.
struct not_visible {
    bool operator()(unsigned char c) const noexcept { return c <= 0x20 || c >= 0x7F; }
#if defined(__SSE2__)
    __m128i operator()(__m128i v) const noexcept {
        // Signed: bytes from 0x80 are negative and so below '!', too.
        return _mm_or_si128(_mm_cmplt_epi8(v, all('!')), _mm_cmpeq_epi8(v, all(0x7F)));
    }
#endif
};

// What a JSON string does not simply carry on over.
struct string_special {
    bool operator()(unsigned char c) const noexcept { return c == '"' || c == '\\' || c < 0x20; }
#if defined(__SSE2__)
    __m128i operator()(__m128i v) const noexcept {
        const __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(v, all('"')), _mm_cmpeq_epi8(v, all('\\')));
        return _mm_or_si128(ends, at_most(v, 0x1F));
    }
#endif
};

struct line_end {
    bool operator()(unsigned char c) const noexcept { return c == '\n' || c == '\r'; }
#if defined(__SSE2__)
    __m128i operator()(__m128i v) const noexcept {
        return _mm_or_si128(_mm_cmpeq_epi8(v, all('\n')), _mm_cmpeq_epi8(v, all('\r')));
    }
#endif
};

// RFC 9110's tchar.
inline constexpr auto token_table = [] {
    std::array<bool, 256> t{};
    for (int c = '0'; c <= '9'; ++c) t[static_cast<std::size_t>(c)] = true;
    for (int c = 'a'; c <= 'z'; ++c) t[static_cast<std::size_t>(c)] = t[static_cast<std::size_t>(c - 32)] = true;
    for (const char c : std::string_view("!#$%&'*+-.^_`|~")) t[static_cast<unsigned char>(c)] = true;
    return t;
}();

inline bool is_token(std::string_view s) noexcept {
    for (const char c : s)
        if (!token_table[static_cast<unsigned char>(c)]) return false;
    return !s.empty();
}

}  // namespace spillway::http::bytes
