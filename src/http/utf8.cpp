#include <spillway/http/utf8.hpp>

#include <cstring>

#include <spillway/base/utf8.hpp>

#include "bytes.hpp"
#include "json_blocks.hpp"

namespace spillway::http {
namespace {

struct not_ascii {
    bool operator()(unsigned char c) const noexcept { return c >= 0x80; }
#if defined(__SSE2__)
    __m128i operator()(__m128i v) const noexcept { return _mm_cmplt_epi8(v, _mm_setzero_si128()); }
#endif
};

#if defined(__x86_64__)
// The method of Keiser and Lemire ("Validating UTF-8 In Less Than One Instruction Per Byte", 2021): three look-ups by
// half a byte each say which errors a byte and the one before it can be part of; an error is what all three say.
class wide_check {
public:
    SPILLWAY_WIDE static bool whole(std::string_view s) noexcept {
        wide_check c;
        const char* p = s.data();
        const char* const end = p + s.size();
        for (; end - p >= 32; p += 32) c.take(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
        // The zeros behind the end also uncover a character that is cut short.
        char last[32] = {};
        std::memcpy(last, p, static_cast<std::size_t>(end - p));
        c.take(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(last)));
        return _mm256_testz_si256(c.error_, c.error_) != 0;
    }

private:
    static constexpr char too_short = 1, too_long = 2, overlong_3 = 4, too_large = 8, surrogate = 16, overlong_2 = 32,
                          too_large_1000 = 64, overlong_4 = 64;
    static constexpr char two_continuations = static_cast<char>(0x80);
    static constexpr char carry = too_short | too_long | two_continuations;

    SPILLWAY_WIDE wide_check() noexcept : error_(_mm256_setzero_si256()), before_(_mm256_setzero_si256()) {}

    // Each byte of the block replaced by the one that stands n before it.
    template <int N>
    SPILLWAY_WIDE static __m256i shifted(__m256i before, __m256i now) noexcept {
        return _mm256_alignr_epi8(now, _mm256_permute2x128_si256(before, now, 0x21), 16 - N);
    }
    SPILLWAY_WIDE static __m256i high_half(__m256i v) noexcept {
        return _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(0x0F));
    }

    SPILLWAY_WIDE void take(__m256i now) noexcept {
        if (_mm256_movemask_epi8(_mm256_or_si256(now, unfinished_)) == 0) {
            before_ = now;
            return;
        }
        const __m256i one = shifted<1>(before_, now);
        const __m256i special = pairs(one, now);
        // The second byte after a lead of three or four, and the third after one of four, have to go on.
        const __m256i third = _mm256_subs_epu8(shifted<2>(before_, now), _mm256_set1_epi8(static_cast<char>(0x60)));
        const __m256i fourth = _mm256_subs_epu8(shifted<3>(before_, now), _mm256_set1_epi8(static_cast<char>(0x70)));
        const __m256i goes_on =
            _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8(static_cast<char>(0x80)));
        error_ = _mm256_or_si256(error_, _mm256_xor_si256(goes_on, special));
        before_ = now;
        unfinished_ = now;
    }

    SPILLWAY_WIDE static __m256i pairs(__m256i one, __m256i now) noexcept {
        const __m256i by_high = _mm256_setr_epi8(
            too_long, too_long, too_long, too_long, too_long, too_long, too_long, too_long, two_continuations,
            two_continuations, two_continuations, two_continuations, too_short | overlong_2, too_short,
            too_short | overlong_3 | surrogate, too_short | too_large | too_large_1000 | overlong_4, too_long,
            too_long, too_long, too_long, too_long, too_long, too_long, too_long, two_continuations,
            two_continuations, two_continuations, two_continuations, too_short | overlong_2, too_short,
            too_short | overlong_3 | surrogate, too_short | too_large | too_large_1000 | overlong_4);
        constexpr char large = carry | too_large | too_large_1000;
        const __m256i by_low = _mm256_setr_epi8(
            carry | overlong_3 | overlong_2 | overlong_4, carry | overlong_2, carry, carry, carry | too_large, large,
            large, large, large, large, large, large, large, large | surrogate, large, large,
            carry | overlong_3 | overlong_2 | overlong_4, carry | overlong_2, carry, carry, carry | too_large, large,
            large, large, large, large, large, large, large, large | surrogate, large, large);
        constexpr char first = too_long | overlong_2 | two_continuations | overlong_3 | too_large_1000 | overlong_4;
        constexpr char second = too_long | overlong_2 | two_continuations | overlong_3 | too_large;
        constexpr char last = too_long | overlong_2 | two_continuations | surrogate | too_large;
        const __m256i by_next =
            _mm256_setr_epi8(too_short, too_short, too_short, too_short, too_short, too_short, too_short, too_short,
                             first, second, last, last, too_short, too_short, too_short, too_short, too_short,
                             too_short, too_short, too_short, too_short, too_short, too_short, too_short, first,
                             second, last, last, too_short, too_short, too_short, too_short);
        const __m256i low = _mm256_and_si256(one, _mm256_set1_epi8(0x0F));
        return _mm256_and_si256(
            _mm256_and_si256(_mm256_shuffle_epi8(by_high, high_half(one)), _mm256_shuffle_epi8(by_low, low)),
            _mm256_shuffle_epi8(by_next, high_half(now)));
    }

    __m256i error_, before_;
    __m256i unfinished_{};  // the block before, when it was not plain ASCII
};

SPILLWAY_WIDE bool is_utf8_wide(std::string_view s) noexcept { return wide_check::whole(s); }
#endif

}  // namespace

std::size_t whole_characters(std::string_view text, std::size_t most) noexcept {
    if (text.size() <= most) return text.size();
    std::size_t n = most;
    // Three bytes may follow the first one of a character; where more of them stand it is no UTF-8, however it is
    // cut.
    for (int back = 0; back < 3 && n > 1 && (static_cast<unsigned char>(text[n]) & 0xC0U) == 0x80U; ++back) --n;
    return n;
}

bool is_utf8(std::string_view text) noexcept {
#if defined(__x86_64__)
    if (json_blocks::has_wide) return is_utf8_wide(text);
#endif
    // Most bodies are ASCII from one end to the other.
    const char* const end = text.data() + text.size();
    const char* const at = bytes::find(text.data(), end, not_ascii{});
    if (at == end) return true;
    text.remove_prefix(static_cast<std::size_t>(at - text.data()));
    return utf8::valid(text);
}

}  // namespace spillway::http
