#pragma once

#include <atomic>
#include <cstdint>

#include <spillway/base/time.hpp>

namespace spillway::core {

// Repeats as a share of a pool's requests, over all workers, so that an outage never multiplies load: every request
// earns `share` of a repeat, every repeat costs one, and gets it back when it served the client. A small allowance
// per second keeps quiet pools able to repeat at all.
class retry_budget {
public:
    static constexpr std::int64_t per_second = 3;  // allowance while there is little traffic
    static constexpr std::int64_t start = 10;      // what a quiet pool may spend at once
    static constexpr std::int64_t most = 100;      // what a busy pool may have saved up
    static constexpr std::int64_t reserve = 5;     // left to other clients by one that failed everywhere

    explicit retry_budget(double share) noexcept { set_share(share); }
    void set_share(double share) noexcept;

    void on_request(time_point now) noexcept;
    // Spends one repeat, or says that there is none.
    bool take(time_point now, bool leaves_reserve = false) noexcept;
    // The repeat served the client, so it was no added load but the service itself.
    void give_back() noexcept { add(unit, most); }
    double left() const noexcept;

private:
    static constexpr std::int64_t unit = 1'000'000;
    void refill(time_point now) noexcept;
    void add(std::int64_t amount, std::int64_t limit) noexcept;

    std::atomic<std::int64_t> tokens_{start * unit}, share_{0};
    std::atomic<duration::rep> last_{0};
};

}  // namespace spillway::core
