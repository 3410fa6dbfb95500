#pragma once

#include <span>
#include <string_view>
#include <utility>

#include "../route/plan.hpp"

namespace spillway::proxy {

// A request as a backend gets it: its head in scratch::out, its body in pieces, every byte as it came but for the
// backend's own name and the question for usage.
class upstream_request {
public:
    struct proof {
        std::string_view name, value;  // of the header field that proves the gateway; empty: none
    };

    upstream_request(const setting& at, const request& asked, const plan& way) noexcept
        : at_(at), asked_(asked), plan_(way) {}

    // Writes the head. `traceparent` empty: the client's goes along. False: it would not be one.
    bool compose(const backend& b, const proof& by, std::string_view traceparent);
    // The body, with the backend's own name where the client's stood and without tags, as compose() has cut it.
    std::span<const std::string_view> body() const noexcept { return asked_.memory().pieces; }
    // The buffer goes back to be used for something else: the proof has no business there.
    void wipe_proof() noexcept;
    // This backend is asked to tell the usage of a stream whose client did not ask.
    bool asks_usage() const noexcept { return asks_usage_; }

private:
    bool may_ask_usage(const backend& b) const noexcept;
    http::usage_edit model_edit(const backend& b) const noexcept;
    void cut_body(const backend& b);
    std::size_t body_bytes() const noexcept;

    const setting& at_;
    const request& asked_;
    const plan& plan_;
    std::pair<std::uint32_t, std::uint32_t> proof_in_out_{};  // where scratch::out holds it
    bool asks_usage_{false};
};

}  // namespace spillway::proxy
