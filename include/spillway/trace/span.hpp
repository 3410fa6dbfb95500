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

// Traces: W3C trace context, spans, their export as OTLP/HTTP JSON.
namespace spillway::trace {

struct context {
    std::array<std::uint8_t, 16> trace_id{};
    std::array<std::uint8_t, 8> parent_id{};  // span id of whoever called
    bool sampled{false};
};

inline constexpr std::size_t traceparent_size = 55;
// "00-<32 hex>-<16 hex>-<2 hex>" by W3C Trace Context: unknown versions read as far as the form is that of 00; all-zero
// ids and capitals are refused.
std::optional<context> parse_traceparent(std::string_view field) noexcept;
std::array<char, traceparent_size> format_traceparent(const std::array<std::uint8_t, 16>& trace_id,
                                                      const std::array<std::uint8_t, 8>& span_id,
                                                      bool sampled) noexcept;

// One finished span. Texts are owned: it leaves the worker.
struct attribute {
    std::string_view key;  // static storage
    std::string text;
    std::int64_t number{0};
    double real{0};
    enum class kind : std::uint8_t { text, number, real, flag } what{kind::text};
};
struct span {
    enum class kind : std::uint8_t { server, client };
    std::array<std::uint8_t, 16> trace_id{};
    std::array<std::uint8_t, 8> span_id{}, parent_id{};
    std::string name;
    kind what{kind::server};
    wall_time begin{}, end{};
    bool failed{false};
    std::string status_message;
    std::vector<attribute> attributes;
};

// Takes finished spans from workers and sends them in batches from a thread of its own. When the collector is away or
// slow, spans are dropped and counted; nobody waits.
class exporter {
public:
    virtual ~exporter() = default;
    virtual void add(std::vector<span>&& finished) noexcept = 0;  // any thread
    struct report {
        std::uint64_t exported{0}, dropped{0}, failures{0};
        std::string last_error;
    };
    virtual report look() const = 0;
};

struct header {
    std::string name, value;
};
struct opening {
    config::tracing settings;
    std::vector<header> headers;  // with their secrets resolved
    std::string gateway, region, version;  // resource attributes: service.instance.id, cloud.region, service.version
    std::function<void(std::string)> alarm;
};
result<std::unique_ptr<exporter>> open(opening with);

}  // namespace spillway::trace
