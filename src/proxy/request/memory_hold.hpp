#pragma once

#include <cstddef>
#include <cstdint>

#include "../setting.hpp"

namespace spillway::proxy {

// Memory that a request's body takes, counted against the budget of the process and against its client's share of
// that until it is released.
class memory_hold {
public:
    explicit memory_hold(const setting& at) noexcept : at_(at) {}
    memory_hold(const memory_hold&) = delete;
    memory_hold& operator=(const memory_hold&) = delete;
    ~memory_hold() { release(); }

    // Holds so many bytes in all from now on. Faults: TooManyRequestBodies (429: the client's share is full),
    // GatewayOverloaded (503: the process holds as much as it may). Nothing is held in addition then.
    maybe_fault grow_to(std::size_t bytes);
    // Whose memory it is; before anything is held.
    void belongs_to(std::size_t client) noexcept { client_ = static_cast<std::uint32_t>(client); }
    // The same without a fault, and never beyond the client's share. For a hold that is empty.
    bool try_hold(std::size_t bytes) noexcept;
    void release() noexcept;
    std::size_t held() const noexcept { return held_; }

private:
    const setting& at_;
    std::size_t held_{0};
    std::uint32_t client_{0};
    bool counted_{false};  // in the metric of body memory, too
};

}  // namespace spillway::proxy
