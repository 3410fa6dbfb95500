#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <spillway/base/time.hpp>
#include <spillway/config/basics.hpp>
#include <spillway/config/secret.hpp>

// The part of the tree that counts and limits: usage ledger, prices, quotas, traces, capture.
namespace spillway::config {

// Where the tokens of a stream come from whose client did not ask for usage.
enum class stream_usage : std::uint8_t {
    ask,       // the gateway asks for it and takes the extra chunk out again
    estimate,  // a tokenizer counts what went by; the record is marked as an estimate
};

// How long the ledger keeps what.
struct usage_retention {
    duration records{hours(24 * 400)};   // single records; older ones are only kept as sums by day
    duration days{hours(24 * 365 * 7)};  // sums by day
};

// One record for each request, on its way to finance.
struct usage {
    std::string spool{"/var/lib/spillway/spool"};       // folder of the append-only files that records go to first
    std::uint64_t spool_limit{std::uint64_t{1} << 30};  // bytes; beyond, records are lost and counted
    std::string store{"sqlite:/var/lib/spillway/usage.db"};  // sqlite:/path or postgresql://user@host[:port]/database
    secret_ref password;                                     // of the database; empty: none
    stream_usage streams{stream_usage::ask};
    bool end_users{true};  // keep what the client gave as `user`
    usage_retention retention;
};

// Prices in picounits of the currency for one token: 2.50 for a million tokens is 2,500,000.
struct price {
    std::int64_t input{0}, output{0};
    std::optional<std::int64_t> cached_input, audio_input, audio_output;  // unset: as input and output
};

struct prices {
    std::string currency{"USD"};
    named<price> models;  // by the pool's model, or model.type for one deployment type, such as gpt-4o.provisioned
};

enum class period : std::uint8_t { day, week, month };

// What may be spent in a calendar period (UTC; weeks begin on Monday).
struct budget {
    std::optional<std::uint64_t> tokens;
    std::optional<std::int64_t> money;  // nanounits of prices.currency
    period per{period::month};
};

// Limits of one holder; unset: none.
struct quota {
    std::optional<std::uint32_t> requests_per_minute;
    std::optional<std::uint64_t> tokens_per_minute;
    std::optional<std::uint32_t> concurrent;
    std::optional<config::budget> budget;

    bool any() const noexcept { return requests_per_minute || tokens_per_minute || concurrent || budget; }
};

// Clients that share one quota.
struct group {
    config::quota quota;
};

// Where quota counts live.
struct quotas {
    std::string store{"memory"};     // or redis[s]://[user@]host[:port][/database], for several gateways
    secret_ref password;             // of Redis; empty: none
    std::string ca_file;             // PEM bundle to trust for rediss:// instead of the system's; empty: the system's
    duration burst{seconds(30)};     // how much of a minute's rate may come at once
    std::uint32_t gateways{1};       // that share the quotas: each takes its part while Redis is away
    std::string prefix{"spillway"};  // of the keys in Redis
};

enum class priority_class : std::uint8_t { low, normal, high };

// Share of a pool's capacity under which a class is refused, so that others still get through.
struct shed {
    double low{0.30};
    double normal{0};
};

// W3C trace context in and out, spans to an OpenTelemetry collector.
struct tracing {
    std::string endpoint;       // http(s)://host:port of OTLP/HTTP; empty: no spans
    named<secret_ref> headers;  // sent along, such as an API key of the collector
    std::string ca_file;
    std::string service{"spillway"};
    double sample{0.01};      // of requests that bring no decision of their own
    bool trust_client{true};  // a sampled flag that the client brings counts
};

// Prompts and answers of routes that ask for it, to a file of its own.
struct capture {
    std::string file;                        // empty: off
    std::uint64_t max_bytes{64 * 1024};      // of each of the two texts
    std::vector<std::string> redact;         // regular expressions; what matches is replaced
    std::vector<std::string> redact_fields;  // JSON members whose text is replaced, at any depth
};

enum class capture_what : std::uint8_t { none, prompts, answers, both };

}  // namespace spillway::config
