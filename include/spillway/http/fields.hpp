#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include <spillway/base/text.hpp>
#include <spillway/http/field_list.hpp>

namespace spillway::http {

// A known header. `unknown` is 0; the others follow field_list.hpp.
enum class field_id : std::uint8_t {
    unknown,
#define SPILLWAY_FIELD_ENUM(id, name, flags) id,
    SPILLWAY_HTTP_FIELDS(SPILLWAY_FIELD_ENUM)
#undef SPILLWAY_FIELD_ENUM
};

// What a header is, as bits.
namespace field_flag {
inline constexpr std::uint8_t none = 0;
inline constexpr std::uint8_t hop_by_hop = 1;  // belongs to one connection, never forwarded
inline constexpr std::uint8_t secret = 2;      // redact in logs; never forward the client's
inline constexpr std::uint8_t front = 4;       // set by proxies before us; believe it only from trusted addresses
inline constexpr std::uint8_t sdk = 8;         // telemetry of the SDK (x-stainless-*)
}  // namespace field_flag

struct field_info {
    std::string_view name;  // lower case, as we write it
    std::uint8_t flags;
};

namespace detail {
using namespace field_flag;
inline constexpr field_info field_infos[] = {{"", none},
#define SPILLWAY_FIELD_INFO(id, name, flags) {name, static_cast<std::uint8_t>(flags)},
                                             SPILLWAY_HTTP_FIELDS(SPILLWAY_FIELD_INFO)
#undef SPILLWAY_FIELD_INFO
};
}  // namespace detail

// Number of ids, `unknown` included: the size of an array that is indexed by field_id.
inline constexpr std::size_t field_count = std::size(detail::field_infos);

constexpr std::string_view name_of(field_id id) noexcept {
    return detail::field_infos[static_cast<std::size_t>(id)].name;
}

// Flags of a known header; `unknown` has none.
constexpr std::uint8_t flags_of(field_id id) noexcept {
    return detail::field_infos[static_cast<std::size_t>(id)].flags;
}

// Flags of any header: an unknown one gets those of its family (x-azure-*, x-fd-*, x-forwarded-*, x-stainless-*).
std::uint8_t flags_of(field_id id, std::string_view name) noexcept;

namespace detail {
inline constexpr std::size_t field_buckets = 256;

// Folding with 0x20 keeps '-' and digits as they are; a clash of other bytes is settled by the comparison.
constexpr std::size_t field_bucket(std::string_view s) noexcept {
    const auto at = [&](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(s[i]) | 0x20);
    };
    const std::size_t n = s.size();
    const std::uint32_t key = at(0) | at(n / 2) << 8 | at(n - 2) << 16 | at(n - 1) << 24;
    return ((key ^ static_cast<std::uint32_t>(n) * 0x01000193U) * 0x9E3779B1U) >> 24;
}

struct field_table_of_names {
    std::array<std::uint8_t, field_buckets> first{};
    std::array<std::uint8_t, field_count> next{};
    std::size_t longest_chain{0};
    std::size_t longest_name{0};
};

constexpr field_table_of_names make_field_names() {
    field_table_of_names out;
    for (std::size_t i = 1; i < field_count; ++i) {
        auto& first = out.first[field_bucket(field_infos[i].name)];
        out.next[i] = first;
        first = static_cast<std::uint8_t>(i);
        std::size_t chain = 0;
        for (std::size_t j = i; j != 0; j = out.next[j]) ++chain;
        if (chain > out.longest_chain) out.longest_chain = chain;
        if (field_infos[i].name.size() > out.longest_name) out.longest_name = field_infos[i].name.size();
    }
    return out;
}

inline constexpr field_table_of_names field_names = make_field_names();
static_assert(field_count <= 255, "field_id is one byte");
static_assert(field_names.longest_chain <= 4, "identify() must stay O(1): choose another multiplier");

// `known` is lower case and made of letters, digits and '-': a byte may differ in bit 0x20 only where it is a letter.
constexpr bool same_field_name(std::string_view known, std::string_view name) noexcept {
    const std::size_t n = known.size();
    if (name.size() != n) return false;
    if (std::is_constant_evaluated() || n < 8) {
        for (std::size_t i = 0; i < n; ++i)
            if (text::lower(name[i]) != known[i]) return false;
        return true;
    }
    const auto differs = [&](std::size_t i) {
        std::uint64_t a, b;
        std::memcpy(&a, known.data() + i, 8);
        std::memcpy(&b, name.data() + i, 8);
        return ((a ^ b) & ~((a & 0x4040404040404040ULL) >> 1)) != 0;
    };
    for (std::size_t i = 0; i + 8 < n; i += 8)
        if (differs(i)) return false;
    return !differs(n - 8);
}
}  // namespace detail

// Which header `name` is, in any case of letters; `unknown` for all others. Constant time, no allocation.
constexpr field_id identify(std::string_view name) noexcept {
    if (name.size() < 2 || name.size() > detail::field_names.longest_name) return field_id::unknown;
    for (std::size_t i = detail::field_names.first[detail::field_bucket(name)]; i != 0;
         i = detail::field_names.next[i])
        if (detail::same_field_name(detail::field_infos[i].name, name)) return static_cast<field_id>(i);
    return field_id::unknown;
}

}  // namespace spillway::http
