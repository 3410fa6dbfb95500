#pragma once

#include <cstdint>
#include <string_view>

#include <spillway/base/time.hpp>
#include <spillway/core/usage_record.hpp>
#include <spillway/proxy/snapshot.hpp>

namespace spillway::proxy {

// How one attempt ended.
struct attempt_end {
    const backend* on{nullptr};
    std::uint32_t number{0};  // the first is 1
    int status{0};
    std::string_view error;
    time_point began{}, first_byte_at{};
    core::token_counts tokens;
    core::token_source source{core::token_source::none};
    std::string_view response_model;
};

// Is told of attempts while they run.
class attempt_observer {
public:
    virtual ~attempt_observer() = default;
    virtual void begin_attempt() = 0;
    virtual void end_attempt(const attempt_end& e) = 0;
    // What a backend gets as traceparent; empty: the client's own goes along.
    virtual std::string_view traceparent() noexcept = 0;
};

}  // namespace spillway::proxy
