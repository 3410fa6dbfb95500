#pragma once

#include <array>
#include <memory>
#include <vector>

#include <spillway/trace/span.hpp>

#include "../attempts/attempt_observer.hpp"
#include "../route/plan.hpp"

namespace spillway::proxy {

struct exchange_record;

// The spans of a request that is traced: one for itself, one for each attempt. Nothing is made for the others.
class request_spans final : public attempt_observer {
public:
    request_spans(const setting& at, const request& asked, const plan& way) noexcept
        : at_(at), asked_(asked), plan_(way) {}

    // Decides whether the request is traced.
    void begin();
    void begin_attempt() override;
    void end_attempt(const attempt_end& e) override;
    void end(const exchange_record& r);
    std::string_view traceparent() noexcept override;

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
