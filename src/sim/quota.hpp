#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <spillway/base/time.hpp>

// How a deployment refuses work when it has had enough, as Azure counts it. No clock inside: time is an argument.
namespace spillway::sim {

struct quota_limits {
    std::uint64_t tokens_per_minute{0};      // standard; 0: unlimited
    std::uint64_t requests_per_minute{0};    // standard; 0: six for every thousand tokens
    std::uint64_t ptu_tokens_per_minute{0};  // provisioned: what the bucket drains; 0: unlimited
    duration request_window{seconds(10)};    // a minute's requests are judged in windows of this length
};

// Which limit refused.
enum class quota_reason : std::uint8_t { none, requests, tokens, utilization };

struct quota_decision {
    quota_reason reason{quota_reason::none};
    duration retry_after{};  // until the same request would pass
    bool admitted() const noexcept { return reason == quota_reason::none; }
};

// Tokens and requests in windows that begin with their first request and end by the clock. Every request counts as
// a request, also a refused one; tokens are the estimate at arrival and are never given back.
class standard_quota {
public:
    explicit standard_quota(const quota_limits& limits) noexcept;

    quota_decision admit(std::uint64_t tokens, time_point now) noexcept;

    bool limited() const noexcept { return tokens_limit_ != 0 || requests_per_minute_ != 0; }
    std::uint64_t limit_tokens() const noexcept { return tokens_limit_; }
    std::uint64_t limit_requests() const noexcept { return requests_per_minute_; }
    std::uint64_t remaining_tokens(time_point now) const noexcept { return left(tokens_, tokens_limit_, now); }
    std::uint64_t remaining_requests(time_point now) const noexcept { return left(requests_, requests_limit_, now); }
    // Until the window ends; zero when none runs.
    duration reset_tokens(time_point now) const noexcept { return until_end(tokens_, now); }
    duration reset_requests(time_point now) const noexcept { return until_end(requests_, now); }

    void clear() noexcept { tokens_ = requests_ = {}; }

private:
    struct window {
        time_point ends{};
        std::uint64_t used{0};
    };
    static std::uint64_t left(const window& w, std::uint64_t limit, time_point now) noexcept;
    static duration until_end(const window& w, time_point now) noexcept;
    static void roll(window& w, duration length, time_point now) noexcept;

    std::uint64_t tokens_limit_, requests_per_minute_, requests_limit_;
    duration request_window_;
    window tokens_, requests_;
};

// A leaky bucket: an admitted request adds its estimate, the end of the call corrects it, time drains it. What is
// over the brim is refused until it has drained below.
class provisioned_quota {
public:
    explicit provisioned_quota(const quota_limits& limits) noexcept
        : capacity_(static_cast<double>(limits.ptu_tokens_per_minute)) {}

    quota_decision admit(std::uint64_t tokens, time_point now) noexcept;
    // The call took `used` tokens instead of `estimated`.
    void settle(std::uint64_t estimated, std::uint64_t used, time_point now) noexcept;
    // Percent; may be above 100.
    double utilization(time_point now) const noexcept;
    bool limited() const noexcept { return capacity_ > 0; }
    void clear() noexcept { level_ = 0; }

private:
    double level_at(time_point now) const noexcept;

    double capacity_;  // tokens of one minute
    double level_{0};
    time_point at_{};
};

}  // namespace spillway::sim
