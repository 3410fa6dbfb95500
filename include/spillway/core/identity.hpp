#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <spillway/base/time.hpp>
#include <spillway/http/head.hpp>

namespace spillway::core {

using key_digest = std::array<std::uint8_t, 32>;  // SHA-256

// From when until when a key counts, in wall time.
struct key_times {
    wall_time not_before{wall_time::min()}, expires{wall_time::max()};
};

enum class key_state : std::uint8_t { unknown, valid, not_yet, expired };

struct key_match {
    key_state state{key_state::unknown};
    std::size_t client{0};
    std::size_t key{0};  // number in the order of add(), for its label
};

// Whose key it is. The table is indexed by digest, so what an attacker learns from time is about the digest of a
// guess of his own; the comparison itself takes constant time.
class key_table {
public:
    key_table() = default;

    // Digests are unique (the configuration is checked for that).
    void add(const key_digest& digest, std::size_t client, const key_times& times = {});
    key_match find(const key_digest& digest, wall_time now) const noexcept;
    std::size_t size() const noexcept { return entries_.size(); }

private:
    struct entry {
        key_digest digest{};
        std::size_t client{0};
        key_times times;
    };
    void index();
    static std::size_t slot_of(const key_digest& d, std::size_t mask) noexcept;

    std::vector<entry> entries_;
    std::vector<std::uint32_t> slots_;  // entry + 1, open addressing; a power of two, at most half full
};

inline constexpr std::size_t longest_key = 512;

// What looks like a JSON Web Token: three parts of base64url with a JSON object first. Everything else is a key.
bool looks_like_token(std::string_view credential) noexcept;

// What stands where a name belongs and is more likely a key: for logs, which never show it. Names have words and
// separators; random text changes between small letters, capitals and digits all the time.
bool looks_like_key(std::string_view name) noexcept;

// The gateway key or token that a request carries: api-key, Authorization: Bearer, Ocp-Apim-Subscription-Key;
// x-api-key when there is none of these, since gateways in front have uses of their own for it. Empty when there is
// none at all. `ambiguous` is set when several carry different values.
struct presented_key {
    std::string_view value;
    bool ambiguous{false};
    bool as_bearer{false};  // came as Authorization: Bearer, where tokens belong
};
presented_key find_key(const http::field_table& fields) noexcept;

}  // namespace spillway::core
