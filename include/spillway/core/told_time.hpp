#pragma once

#include <optional>
#include <string_view>

#include <spillway/base/time.hpp>

namespace spillway::core {

// Fields of an answer that may tell how long to stay away. Empty: the field is not there.
struct throttle_fields {
    std::string_view retry_after;          // seconds (also decimal) or an HTTP date
    std::string_view retry_after_ms;       // milliseconds; exact, so it goes first
    std::string_view x_ms_retry_after_ms;  // the same in another spelling
    std::string_view date;                 // the sender's clock, against skew of a date in retry_after
    std::string_view remaining_requests, remaining_tokens;
    std::string_view reset_requests, reset_tokens;  // "10", "1.5", "1s", "6m0s", "120ms"
};

// How long the sender asks to stay away; nothing when it does not say, or says what makes no sense. Zero is an
// answer. The reset fields count for a 429 alone, and only those whose remaining value is 0.
std::optional<duration> told_time(const throttle_fields& f, int status, wall_time now) noexcept;

// "10", "1.5", "250ms", "1s", "6m0s", "1h2m3s": the forms in which services write a wait.
std::optional<duration> parse_wait(std::string_view s) noexcept;

}  // namespace spillway::core
