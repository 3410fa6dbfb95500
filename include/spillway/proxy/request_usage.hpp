#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spillway/core/usage_record.hpp>
#include <spillway/http/include_usage.hpp>
#include <spillway/http/usage_filter.hpp>
#include <spillway/http/usage_tap.hpp>
#include <spillway/shared/quota.hpp>
#include <spillway/trace/sampling.hpp>
#include <spillway/trace/span.hpp>

namespace spillway::proxy {

// Spans of a request that is traced; made only then.
struct request_trace {
    trace::context of;
    trace::span_id server{}, attempt{};
    wall_time attempt_began{};
    std::vector<trace::span> finished;
};

// Prompt and answer of a route that captures them, as far as they are kept.
struct request_capture {
    std::string prompt, answer;
    bool prompt_cut{false}, answer_cut{false};
};

// What one request counts and is counted by: filled on its way, read at its end.
struct request_usage {
    wall_time began_wall{};
    std::uint64_t bytes_in{0};
    std::uint64_t prompt_bytes{0};  // of the body, as far as it is prompt
    std::size_t prompt_held{0};     // counted in the memory for bodies

    // what the request says
    std::optional<std::uint64_t> answer_limit;  // tokens: max_tokens and its successors
    std::uint64_t choices{1};                   // n
    std::string end_user;                       // decoded, bounded
    http::usage_edit ask;                       // what makes the backend tell the usage of a stream
    bool may_ask{false};                        // the client did not, and the operation can

    // quotas
    shared::amounts estimate;
    std::size_t entered{0};     // holders that let the request in before its body was here
    std::size_t held{0};        // holders that have granted all of the estimate
    std::size_t refused_by{0};  // the one that did not
    bool has_rate{false};       // one of them has a rate, told in x-ratelimit fields
    duration refusal_wait{};

    // the answer
    std::unique_ptr<http::usage_tap> tap;        // of an answer that is no stream
    std::unique_ptr<http::usage_filter> filter;  // takes out again what only the gateway asked for
    bool asked{false};                           // the present attempt did
    bool went_out{false};                        // a backend has got the request, or part of it
    std::string prompt;                          // of a stream, for an estimate; bounded
    std::string text;                            // of a stream's answer, escaped; bounded

    struct {
        core::record_id id{};
        core::token_counts tokens;
        core::token_source source{core::token_source::none};
    } recorded;  // what went into the record, or nearly so

    std::unique_ptr<request_trace> trace;
    std::unique_ptr<request_capture> capture;
};

}  // namespace spillway::proxy
