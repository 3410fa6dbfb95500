#include "vocabulary.hpp"

#include <cstring>

#include <algorithm>
#include <bit>

#include "embedded.hpp"
#include "little_endian.hpp"

namespace spillway::tokens {
namespace {

constexpr std::size_t head_size = 8, bytes_size = 256, checksum_size = 8;
constexpr unsigned half_bits = 18;

template <class T>
std::uint64_t load(const char* p) noexcept {
    T out;
    std::memcpy(&out, p, sizeof out);
    return out;
}

std::uint64_t mix(std::uint64_t h, std::uint64_t word) noexcept {
    h = (h ^ word) * 0x9E3779B97F4A7C15ULL;
    return h ^ h >> 29;
}

// Requests put no keys into the table, so a hash that can be foreseen makes no lookup slow.
std::uint64_t hash_of(std::string_view s) noexcept {
    const char* p = s.data();
    const std::size_t n = s.size();
    std::uint64_t h = n * 0xD6E8FEB86659FD93ULL;
    if (n > 8) {
        for (std::size_t i = 0; i + 8 < n; i += 8) h = mix(h, load<std::uint64_t>(p + i));
        h = mix(h, load<std::uint64_t>(p + n - 8));
    } else if (n >= 4) {
        h = mix(h, load<std::uint32_t>(p) | load<std::uint32_t>(p + n - 4) << 32);
    } else if (n >= 2) {
        h = mix(h, load<std::uint16_t>(p) | load<std::uint16_t>(p + n - 2) << 16);
    } else if (n == 1) {
        h = mix(h, load<unsigned char>(p));
    }
    return h * 0xD6E8FEB86659FD93ULL;
}

}  // namespace

const vocabulary& vocabulary::of(encoding e) {
    if (e == encoding::cl100k) {
        static const vocabulary cl100k(embedded::cl100k());
        return cl100k;
    }
    static const vocabulary o200k(embedded::o200k());
    return o200k;
}

vocabulary::vocabulary(std::string_view packed) {
    unpack(packed, little_endian<std::uint32_t>(packed, 4));
    index();
}

void vocabulary::unpack(std::string_view packed, std::size_t count) {
    starts_.reserve(count + 1);
    bytes_.reserve(count * 8);
    const auto add = [&](rank r) {  // the memory may move meanwhile, so no view of it is appended
        const std::size_t at = bytes_.size(), size = token(r).size();
        bytes_.resize(at + size);
        std::memcpy(bytes_.data() + at, bytes_.data() + starts_[r], size);
    };
    const auto close = [&] { starts_.push_back(static_cast<std::uint32_t>(bytes_.size())); };
    starts_.push_back(0);
    for (std::size_t i = 0; i < bytes_size; ++i) {
        bytes_ += packed[head_size + i];
        close();
    }
    std::size_t at = head_size + bytes_size;
    std::uint64_t held = 0;
    unsigned bits = 0;
    const auto half = [&] {
        for (; bits < half_bits; bits += 8)
            held |= static_cast<std::uint64_t>(static_cast<unsigned char>(packed[at++])) << bits;
        const auto out = static_cast<rank>(held & ((1U << half_bits) - 1));
        held >>= half_bits;
        bits -= half_bits;
        return out;
    };
    for (std::size_t i = bytes_size; i < count; ++i) {
        const rank first = half(), second = half();
        add(first);
        add(second);
        close();
        longest_ = std::max(longest_, token(static_cast<rank>(i)).size());
    }
    told_checksum_ = little_endian<std::uint64_t>(packed, packed.size() - checksum_size);
}

void vocabulary::index() {
    slots_.resize(std::bit_ceil(size() * 2));
    const std::size_t mask = slots_.size() - 1;
    for (rank r = 0; r < size(); ++r) {
        const auto h = hash_of(token(r));
        std::size_t at = h >> 32 & mask;
        while (slots_[at].token != no_rank) at = (at + 1) & mask;
        slots_[at] = {static_cast<std::uint32_t>(h), r};
    }
}

rank vocabulary::find(std::string_view bytes) const noexcept {
    if (bytes.size() > longest_) return no_rank;
    const auto h = hash_of(bytes);
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = h >> 32 & mask; slots_[at].token != no_rank; at = (at + 1) & mask)
        if (slots_[at].tag == static_cast<std::uint32_t>(h) && token(slots_[at].token) == bytes)
            return slots_[at].token;
    return no_rank;
}

std::uint64_t vocabulary::checksum() const noexcept {
    std::uint64_t h = 0xcbf29ce484222325ULL;
    const auto add = [&](unsigned char byte) { h = (h ^ byte) * 0x100000001b3ULL; };
    for (rank r = 0; r < size(); ++r) {
        for (const char c : token(r)) add(static_cast<unsigned char>(c));
        add(static_cast<unsigned char>(token(r).size()));
    }
    return h;
}

}  // namespace spillway::tokens
