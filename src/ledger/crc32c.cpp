#include "crc32c.hpp"

#include <array>
#include <cstring>

namespace spillway::ledger {
namespace {

constexpr std::uint32_t polynomial = 0x82f63b78U;  // reflected

// tables[k][b]: what byte b does when k more bytes follow, so that eight bytes are taken at once.
constexpr auto tables = [] {
    std::array<std::array<std::uint32_t, 256>, 8> t{};
    for (std::uint32_t b = 0; b < 256; ++b) {
        std::uint32_t c = b;
        for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1U) != 0 ? polynomial : 0U);
        t[0][b] = c;
    }
    for (std::size_t k = 1; k < 8; ++k)
        for (std::size_t b = 0; b < 256; ++b) t[k][b] = (t[k - 1][b] >> 8) ^ t[0][t[k - 1][b] & 0xffU];
    return t;
}();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(const unsigned char* p, std::size_t n) noexcept {
    std::uint64_t c = 0xffffffffU;
    for (; n >= 8; n -= 8, p += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, p, 8);
        c = __builtin_ia32_crc32di(c, word);
    }
    auto c32 = static_cast<std::uint32_t>(c);
    for (; n > 0; --n, ++p) c32 = __builtin_ia32_crc32qi(c32, *p);
    return ~c32;
}
#endif

}  // namespace

std::uint32_t crc32c_by_table(const void* bytes, std::size_t n) noexcept {
    const auto* p = static_cast<const unsigned char*>(bytes);
    std::uint32_t c = 0xffffffffU;
    for (; n >= 8; n -= 8, p += 8) {
        c ^= static_cast<std::uint32_t>(p[0]) | static_cast<std::uint32_t>(p[1]) << 8 |
             static_cast<std::uint32_t>(p[2]) << 16 | static_cast<std::uint32_t>(p[3]) << 24;
        c = tables[7][c & 0xffU] ^ tables[6][(c >> 8) & 0xffU] ^ tables[5][(c >> 16) & 0xffU] ^ tables[4][c >> 24] ^
            tables[3][p[4]] ^ tables[2][p[5]] ^ tables[1][p[6]] ^ tables[0][p[7]];
    }
    for (; n > 0; --n, ++p) c = (c >> 8) ^ tables[0][(c ^ *p) & 0xffU];
    return ~c;
}

std::uint32_t crc32c(const void* bytes, std::size_t n) noexcept {
#if defined(__x86_64__)
    static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
    if (has_instruction) return by_instruction(static_cast<const unsigned char*>(bytes), n);
#endif
    return crc32c_by_table(bytes, n);
}

}  // namespace spillway::ledger
