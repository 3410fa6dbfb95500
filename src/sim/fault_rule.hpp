#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spillway/base/random.hpp>
#include <spillway/base/time.hpp>

#include "json_tools.hpp"
#include "settings_reader.hpp"

namespace spillway::sim {

// What can go wrong with an instance, in the order in which an exchange meets it.
enum class fault_kind : std::uint8_t {
    refuse_connection,  // no listener
    refuse_tls,         // the handshake ends with an alert
    drop_idle,          // a kept connection is closed after `length` without a request
    early_refusal,      // an error is answered before the body has been read, and the body never is
    delay,              // `length` passes before anything else
    hang,               // the request is read and never answered
    reset,              // before the head, or after so many bytes or events
    interim,            // `count` answers of the kind 1xx come before the real one
    status,             // another answer instead of the usual one
    drift,              // the answer names another model or region
    empty,              // an answer with status 200 and nothing in it
    gzip,               // the answer is compressed, whatever was asked for
    connection_close,   // the answer is the connection's last
    silence,            // `length` passes between head and body
    preamble,           // a stream begins with `count` events that say nothing
    long_line,          // an event of `bytes` bytes in one line comes first
    error_event,        // an error inside a stream that began well, then the end
    stall,              // `length` passes amid the stream
    close,              // the connection ends without a reset amid the body
};
inline constexpr std::array<std::string_view, 19> fault_names{"refuse_connection",
                                                              "refuse_tls",
                                                              "drop_idle",
                                                              "early_refusal",
                                                              "delay",
                                                              "hang",
                                                              "reset",
                                                              "interim",
                                                              "status",
                                                              "drift",
                                                              "empty",
                                                              "gzip",
                                                              "connection_close",
                                                              "silence",
                                                              "preamble",
                                                              "long_line",
                                                              "error_event",
                                                              "stall",
                                                              "close"};
static_assert(fault_names.size() == static_cast<std::size_t>(fault_kind::close) + 1);

struct fault_rule {
    std::uint64_t id{0};
    std::string instance;    // empty: all
    std::string deployment;  // empty: all of the instance, and what names none
    fault_kind kind{fault_kind::status};

    int status{500};
    std::string code, message;        // of the error body
    std::optional<std::string> body;  // instead of Azure's shape
    std::string content_type{"application/json"};
    std::vector<std::pair<std::string, std::string>> headers;
    std::string retry_after, retry_after_ms, x_ms_retry_after_ms;  // as they are sent; empty: not sent
    duration retry_after_date{};                                   // sent as a date that lies so far ahead

    std::optional<std::uint64_t> after_bytes, after_events;  // of the body
    bool notify{true};                                       // of close: with TLS's close_notify
    duration length{};
    std::uint64_t bytes{0};     // of early_refusal: only requests that announce more than that
    std::uint64_t count{1};     // of interim and preamble; 0: without end
    duration every{};           // between two of them
    std::string what;           // of preamble and error_event: which form
    std::string model, region;  // of drift

    std::optional<std::uint64_t> times;  // how often it still happens; without it until cleared
    double share{1};
    std::uint64_t applied{0};

    bool streams_only() const noexcept;
    bool amid_body() const noexcept { return after_bytes.has_value() || after_events.has_value(); }
};

// Reads the words of YAML and of the control endpoint alike. `out` collects what is wrong.
fault_rule read_fault(const json& node, const std::string& path, problems& out);
json to_json(const fault_rule& rule);

// The faults that one exchange meets: at most one of each kind. Copies, for rules may be cleared meanwhile.
class chosen_faults {
public:
    const fault_rule* find(fault_kind kind) const noexcept;
    void add(const fault_rule& rule) { rules_.push_back(rule); }
    bool empty() const noexcept { return rules_.empty(); }

private:
    std::vector<fault_rule> rules_;
};

class fault_table {
public:
    explicit fault_table(std::uint64_t seed) : random_(seed) {}

    std::uint64_t add(fault_rule rule);
    void clear() { rules_.clear(); }
    // False when there is no such rule.
    bool remove(std::uint64_t id);
    const std::vector<fault_rule>& rules() const noexcept { return rules_; }

    // For a request: every kind from `delay` on. A rule that is chosen has one time less.
    chosen_faults choose(const std::string& instance, const std::string& deployment, bool streamed);
    // For a connection: the first rule of that kind. It is not counted before count_applied(), for a connection may
    // be used again before its time has come.
    std::optional<fault_rule> choose_for_connection(fault_kind kind, const std::string& instance);
    void count_applied(std::uint64_t id) noexcept;

private:
    bool matches(const fault_rule& r, const std::string& instance, const std::string& deployment) const noexcept;
    static void count(fault_rule& r) noexcept;

    random_source random_;
    std::vector<fault_rule> rules_;
    std::uint64_t last_id_{0};
};

}  // namespace spillway::sim
