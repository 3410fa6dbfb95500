#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/base/time.hpp>
#include <spillway/config/usage.hpp>
#include <spillway/net/proxy.hpp>

// Traces: W3C trace context, spans, their export as OTLP/HTTP JSON.
namespace spillway::trace {

using trace_id = std::array<std::uint8_t, 16>;
using span_id = std::array<std::uint8_t, 8>;

struct context {
    trace::trace_id trace_id{};
    span_id parent_id{};  // span id of the caller; all zero: none
    bool sampled{false};
    bool random{false};  // the trace id's last seven bytes are random (level 2 of the recommendation)
};

inline constexpr std::size_t traceparent_size = 55;
// "00-<32 hex>-<16 hex>-<2 hex>" by W3C Trace Context: unknown versions read as far as the form is that of 00;
// version ff, all-zero ids and capitals are refused.
std::optional<context> parse_traceparent(std::string_view field) noexcept;
// Always version 00.
std::array<char, traceparent_size> format_traceparent(const trace_id& trace, const span_id& span, bool sampled,
                                                      bool random = false) noexcept;

// One finished span. It leaves the worker, so texts are owned unless they live as long as the program.
struct attribute {
    enum class kind : std::uint8_t { text, constant, number, real, flag };

    std::string_view key;  // static storage
    kind what{kind::text};
    std::string text;
    std::string_view constant;  // static storage
    std::int64_t number{0};     // of a flag: 0 or 1
    double real{0};
};
struct span {
    enum class kind : std::uint8_t { server, client };
    trace::trace_id trace_id{};
    trace::span_id span_id{}, parent_id{};
    std::string name;
    kind what{kind::server};
    wall_time begin{}, end{};
    bool failed{false};
    std::string status_message;
    std::vector<attribute> attributes;
};

// Takes finished spans from workers and sends them in batches from a thread of its own. When the collector is away or
// slow, spans are lost and counted; no worker waits.
class exporter {
public:
    // Sends what is left, for at most a second. No add() may follow.
    virtual ~exporter() = default;
    // Any thread. Never waits: when the exporter is just taking spans away, or too many wait already, they are
    // dropped.
    virtual void add(std::vector<span>&& finished) noexcept = 0;
    struct report {
        std::uint64_t exported{0};  // spans that the collector accepted
        std::uint64_t dropped{0};   // spans lost: no room, collector away for too long, refused
        std::uint64_t failures{0};  // attempts to send a batch that came to nothing, repeated ones too
        std::string last_error;     // empty after a success
    };
    virtual report look() const = 0;  // any thread, not a worker's
};

struct header {
    std::string name, value;
};
// Bounds of an exporter; tests make them smaller.
struct export_limits {
    std::size_t most_spans{8192}, most_bytes{16 * 1024 * 1024};  // that wait or are on their way
    std::size_t batch{512};
    duration every{seconds(1)};     // a batch goes at the latest this long after its first span
    duration timeout{seconds(10)};  // of one request
    unsigned tries{5};              // of one batch
    duration first_pause{seconds(1)}, longest_pause{seconds(30)};  // between them
    duration flush{seconds(1)};                                    // at the end
};
struct opening {
    config::tracing settings;
    std::vector<header> headers;           // with their secrets resolved
    net::proxy_rules proxies;              // the way to the collector
    std::string gateway, region, version;  // resource attributes: service.instance.id, cloud.region, service.version
    // Called on the exporter's thread, once for each kind of trouble until a batch gets through.
    std::function<void(std::string)> alarm;
    export_limits limits{};
};
// Blocks for reading ca_file: not on a worker. Faults: `tracing_endpoint`, `tracing_header`, and what
// net::make_client_context says of ca_file.
result<std::unique_ptr<exporter>> open(opening with);

}  // namespace spillway::trace
