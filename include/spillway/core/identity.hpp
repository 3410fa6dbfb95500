#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <spillway/http/head.hpp>

namespace spillway::core {

using key_digest = std::array<std::uint8_t, 32>;  // SHA-256

// Whose key it is. The table is indexed by digest, so what an attacker learns from time is about the digest of a
// guess of his own; the comparison itself takes constant time.
class key_table {
public:
    key_table() = default;

    // Digests are unique (the configuration is checked for that).
    void add(const key_digest& digest, std::size_t client);
    std::optional<std::size_t> find(const key_digest& digest) const noexcept;
    std::size_t size() const noexcept { return entries_.size(); }

private:
    struct entry {
        key_digest digest{};
        std::size_t client{0};
    };
    void index();
    static std::size_t slot_of(const key_digest& d, std::size_t mask) noexcept;

    std::vector<entry> entries_;
    std::vector<std::uint32_t> slots_;  // entry + 1, open addressing; a power of two, at most half full
};

inline constexpr std::size_t longest_key = 512;

// The gateway key that a request carries: api-key, Authorization: Bearer, Ocp-Apim-Subscription-Key, in this order;
// empty when there is none. `ambiguous` is set when several carry different values.
struct presented_key {
    std::string_view value;
    bool ambiguous{false};
};
presented_key find_key(const http::field_table& fields) noexcept;

}  // namespace spillway::core
