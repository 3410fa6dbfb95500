#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <spillway/base/fault.hpp>
#include <spillway/core/operation.hpp>
#include <spillway/core/usage_record.hpp>

// What a request was, once it has ended: its outcome, and where the figures of its record come from.
namespace spillway::core {

// How an exchange ended, as far as the account asks.
struct ending {
    const operation* op{nullptr};  // null: the path was none that is known
    int status{0};                 // that the client got
    bool local{false};             // the answer is the gateway's own
    origin who{origin::gateway};   // of a local answer
    bool head_sent{false};         // bytes of an answer have gone to the client
    bool client_left{false};
    bool broke{false};            // the answer broke off after its head
    bool told_error{false};       // a stream was committed as good and told of an error in its last event
    bool went_out{false};         // a backend has got the request, or part of it
    std::uint64_t text_bytes{0};  // of a stream's text that was seen
    bool streams{false};          // the answer is a stream of events that was read
};

usage_outcome outcome_of(const ending& e) noexcept;

// Where the tokens of a record come from.
enum class token_basis : std::uint8_t {
    none,    // it has none
    answer,  // the answer told them
    seen,    // to be estimated by what was seen of the answer
    unseen,  // to be estimated by the prompt and by time: a backend was at work, and nothing of it was seen
};
// `told`: the answer had a usage that could be read.
token_basis basis_of(const ending& e, bool told) noexcept;

// Tokens of the answer as far as a request reserves them: the limit that it sets for each of its choices, or what is
// usual.
std::uint64_t reserved_answer(const operation& op, std::optional<std::uint64_t> limit,
                              std::uint64_t choices) noexcept;
// What a backend has written in that time at most, for each choice, as fast deployments do; never more than the
// request reserves.
std::uint64_t unseen_answer(duration worked, std::uint64_t reserved, std::uint64_t choices) noexcept;

}  // namespace spillway::core
