#pragma once

#include <cstdint>
#include <optional>

#include <spillway/base/time.hpp>

// When the gateway's own tokens are asked for again.
namespace spillway::core {

// Times of one token, on the monotonic clock.
struct token_times {
    time_point got{}, expires{};
    std::optional<duration> refresh_in;  // what its issuer advises
};

// Ahead of any need: when the issuer says so, else at half of its life, but five minutes before its end at the
// latest. `jitter` in [0, 1) keeps many gateways from asking at the same moment.
time_point refresh_at(const token_times& t, double jitter) noexcept;

// What came of asking for a token.
struct token_refusal {
    int status{0};  // 0: no answer at all
    std::optional<duration> told;
};

// How long to wait before the next try. `failures` counts those in a row, this one included. 410 means that the
// endpoint is being updated, which takes up to 70 seconds; other refusals back off from 2 to 60 seconds.
duration retry_after(const token_refusal& r, std::uint32_t failures, double jitter) noexcept;

}  // namespace spillway::core
