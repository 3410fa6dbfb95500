#pragma once

#include <string_view>

#include <spillway/core/operation.hpp>
#include <spillway/core/usage_record.hpp>
#include <spillway/trace/span.hpp>

// The spans of one request, with the attribute names of OpenTelemetry's semantic conventions. Nothing that a client
// wrote gets in but the model and deployment names that the gateway recognised: no prompt, no header value, no query.
namespace spillway::trace {

// gen_ai.operation.name of an operation of ours; empty for those that are no inference.
std::string_view gen_ai_operation(core::family f) noexcept;
// http.route of an operation: its path with {deployment} in place of the name. Static storage.
std::string_view route_template(const core::operation& op) noexcept;

// Views need to live for the call alone, unless marked static.
struct server_facts {
    trace::trace_id trace_id{};
    trace::span_id span_id{}, parent_id{};
    wall_time begin{}, end{};
    std::string_view method;                    // as the client wrote it; unknown ones become _OTHER
    const core::operation* operation{nullptr};  // null: the path was none that is known
    bool tls{true};
    std::string_view server_address;  // the listener's, from the configuration; empty: left out
    std::uint16_t server_port{0};     // 0: left out
    int status{0};                    // that the client got; 0: none
    std::string_view model;           // the pool's
    std::string_view error;           // code of the gateway's own answer, or why a stream broke; empty: neither
    bool streaming{false};
    bool client_left{false};
    std::string_view client, route, pool, backend;  // names of the configuration; backend: that served
    std::uint32_t attempts{0};
    const core::record_id* record{nullptr};  // the ledger's, so that a trace can be found from a bill
};
// SERVER, "POST /openai/deployments/{deployment}/chat/completions". Failed for 5xx and broken streams.
span server_span(const server_facts& f);

struct attempt_facts {
    trace::trace_id trace_id{};
    trace::span_id span_id{}, parent_id{};  // parent: the server span
    wall_time begin{}, end{};
    const core::operation* operation{nullptr};  // not null
    std::string_view request_model;             // the pool's model
    std::string_view response_model;            // as the answer names it; empty: unknown
    std::string_view deployment, pool, backend, region;
    bool of_azure{true};  // else a server of OpenAI's own API
    std::string_view server_address;
    std::uint16_t server_port{0};
    int status{0};           // 0: there was no answer
    std::string_view error;  // reason of the outcome, of few values; empty: none
    bool streaming{false};
    std::uint32_t resend_count{0};  // 0 for the first attempt
    core::token_counts tokens;
    core::token_source source{core::token_source::none};  // none: usage is left out
    duration first_byte{};                                // from begin to the first byte of the answer; 0: none
};
// CLIENT, "chat gpt-4o". Failed for 4xx, 5xx, no answer, and whenever `error` is set.
span attempt_span(const attempt_facts& f);

}  // namespace spillway::trace
