#pragma once

#include <array>
#include <memory>
#include <vector>

#include <spillway/core/usage_record.hpp>
#include <spillway/trace/span.hpp>

#include "../route/plan.hpp"

namespace spillway::proxy {

struct exchange_record;

// The spans of a request that is traced: one for itself, one for each attempt. Nothing is made for the others.
class request_spans {
public:
    request_spans(const setting& at, const request& asked, const plan& way) noexcept
        : at_(at), asked_(asked), plan_(way) {}

    // Decides whether the request is traced.
    void begin();
    void begin_attempt();
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
    void end_attempt(const attempt_end& e);
    void end(const exchange_record& r);
    // What a backend gets as traceparent; empty: the client's own goes along.
    std::string_view traceparent() noexcept;

private:
    struct traced {
        trace::context of;
        trace::span_id server{}, attempt{};
        wall_time attempt_began{};
        std::vector<trace::span> finished;
        std::array<char, trace::traceparent_size> parent{};
    };

    const setting& at_;
    const request& asked_;
    const plan& plan_;
    std::unique_ptr<traced> traced_;
};

}  // namespace spillway::proxy
