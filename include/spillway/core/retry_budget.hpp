#pragma once

#include <spillway/base/time.hpp>

namespace spillway::core {

// Retries as a share of a pool's requests, so that an outage never multiplies load: every request earns `share` of a
// retry, every retry costs one. A small allowance per second keeps quiet pools able to retry at all.
class retry_budget {
public:
    static constexpr double per_second = 2;  // allowance while there is little traffic
    static constexpr double start = 10;      // what a quiet pool may spend at once
    static constexpr double most = 100;      // what a busy pool may have saved up

    explicit retry_budget(double share) noexcept : share_(share) {}

    void on_request(time_point now) noexcept;
    // Spends one retry, or says that there is none.
    bool take(time_point now) noexcept;
    double left() const noexcept { return tokens_; }

private:
    void refill(time_point now) noexcept;
    double share_;
    double tokens_{start};
    time_point last_{};
};

}  // namespace spillway::core
