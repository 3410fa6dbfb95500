#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <spillway/base/saturating.hpp>

// What finance reads: who asked for what, who served it, what it cost. Plain values; how they travel is the ledger's.
namespace spillway::core {

// More than any request can have: a larger count is taken as not told.
constexpr std::uint64_t most_tokens = std::uint64_t{1} << 40;

// Tokens of one request. `prompt` and `completion` are the sums; the others are parts of them.
struct token_counts {
    std::uint64_t prompt{0}, completion{0};
    std::uint64_t cached{0};     // of prompt: came from the prompt cache
    std::uint64_t reasoning{0};  // of completion
    std::uint64_t audio_prompt{0}, audio_completion{0};

    std::uint64_t total() const noexcept { return add_sat(prompt, completion); }
    friend bool operator==(const token_counts&, const token_counts&) = default;
};

enum class token_source : std::uint8_t {
    none,       // no tokens: refused, failed, or an operation that has none
    exact,      // as the backend reported them
    estimated,  // counted or guessed by the gateway
};

enum class usage_outcome : std::uint8_t {
    ok,           // a whole answer below 400
    client_left,  // the client went away before the end
    broken,       // the answer broke off after its head
    refused,      // the gateway answered itself with a 4xx: quota, rights, malformed request
    failed,       // the gateway answered itself with a 5xx or 429 because no backend could serve
    error,        // the backend's own answer of 400 or above was passed on
};

// 128 bits, the first 48 of them milliseconds since 1970, so that records sort by time (UUID version 7).
struct record_id {
    std::array<std::uint8_t, 16> bytes{};
    friend auto operator<=>(const record_id&, const record_id&) = default;
};
// `ms` since 1970 and 74 random bits.
record_id make_record_id(std::uint64_t ms, std::uint64_t random_high, std::uint64_t random_low) noexcept;

// One request. Views live as long as what they were made from.
struct usage_record {
    record_id id;
    std::int64_t time_us{0};  // wall time of the request's head, microseconds since 1970
    std::string_view gateway;
    std::string_view client;       // empty: none was recognised
    std::string_view labels_json;  // of the client, one JSON object of strings; empty: none
    std::string_view end_user;     // what the request gave as `user`, decoded, at most 128 bytes
    std::string_view request_id;   // x-request-id
    std::string_view route, pool, backend, instance, region;
    std::string_view deployment;  // the name that the client used
    std::string_view model;       // as the answer names it; else the pool's
    std::string_view operation;
    std::string_view code;        // of the gateway's own answer, or why a stream broke; empty: neither
    std::string_view tries_json;  // JSON array of {backend,status,reason}; empty: one attempt, nothing to tell
    std::uint16_t status{0};
    std::uint8_t attempts{0};
    usage_outcome outcome{usage_outcome::ok};
    token_source source{token_source::none};
    bool streaming{false};
    token_counts tokens;
    std::uint64_t bytes_in{0}, bytes_out{0};
    std::uint32_t first_byte_us{0};  // from the request's head to the answer's; 0: there was none
    std::uint64_t duration_us{0};
    std::uint32_t token_us{0};    // mean time for each token of the answer after the first; 0: unknown
    std::int64_t price_nanos{0};  // nanounits of the currency
    bool priced{false};           // a price list had its model
};

std::string_view to_string(usage_outcome o) noexcept;
std::string_view to_string(token_source s) noexcept;

}  // namespace spillway::core
