#pragma once

#include <memory>
#include <string_view>

#include <spillway/http/piece_sink.hpp>

namespace spillway::proxy {

using payload_sink = http::piece_sink;

// Changes the payload of an answer on its way to the client. Transforms form a list; each gets what the one before it
// lets through, in any slices.
class transform {
public:
    virtual ~transform() = default;
    virtual void feed(std::string_view payload, payload_sink out) = 0;
    // The answer has ended, or broken off: what was held goes on.
    virtual void finish(payload_sink out) = 0;
    // Holds the beginning of something: nothing may be put into the stream now.
    virtual bool holds() const noexcept = 0;

    std::unique_ptr<transform> next;
};

// Takes out again what only the gateway asked for: see http::usage_filter.
std::unique_ptr<transform> make_usage_filter();

}  // namespace spillway::proxy
