#include "keys.hpp"

// The keys of what counts and limits: usage ledger, prices, quotas, traces, capture.
namespace spillway::config {
namespace {

constexpr std::array<std::string_view, 2> stream_usages{"ask", "estimate"};
constexpr std::array<std::string_view, 3> periods{"day", "week", "month"};
constexpr duration day = hours(24);

void declare(visitor& v, price& x) {
    v.value({"input", "for a million prompt tokens", true}, price_of(x.input));
    v.value({"cached_input", "for a million of those that came from the prompt cache; else as input"},
            price_of(x.cached_input));
    v.value({"output", "for a million tokens of the answer, reasoning included"}, price_of(x.output));
    v.value({"audio_input", "for a million audio tokens of the prompt; else as input"}, price_of(x.audio_input));
    v.value({"audio_output", "for a million audio tokens of the answer; else as output"}, price_of(x.audio_output));
}

void declare(visitor& v, budget& x) {
    v.value({"tokens", "prompt and answer together"}, count_of(x.tokens, 1, 1'000'000'000'000));
    v.value({"money", "in the currency of prices, by its list"}, money_of(x.money));
    v.value({"per", "calendar period in UTC; weeks begin on Monday"}, choice_of(x.per, periods));
}

}  // namespace

void declare(visitor& v, quota& x) {
    v.value({"requests_per_minute", "requests that begin"}, count_of(x.requests_per_minute, 1, 100'000'000));
    v.value({"tokens_per_minute", "prompt and answer: estimated when a request begins, corrected when it ends"},
            count_of(x.tokens_per_minute, 1, 1'000'000'000'000));
    v.value({"concurrent", "requests at the same time"}, count_of(x.concurrent, 1, 1'000'000));
    v.object({"budget", "for a calendar period"}, [&x](visitor& in) { declare(in, x.budget.emplace()); });
}

void declare(visitor& v, usage& x) {
    v.value({"spool", "folder that records go to first; survives a crash"}, text_of(x.spool));
    v.value({"spool_limit", "bytes of it; when it is full because the store is away, records are lost and counted"},
            size_of(x.spool_limit, 16ULL << 20, 1ULL << 40));
    v.value({"store", "sqlite:/path or postgresql://user@host[:port]/database"}, text_of(x.store));
    v.value({"password", "of the database"}, secret_of(x.password));
    v.value({"streams",
             "tokens of streams that bring none: ask the backend for them and take the extra chunk out "
             "again, or estimate with a tokenizer"},
            choice_of(x.streams, stream_usages));
    v.value({"end_users", "keep what a request gave as user"}, flag_of(x.end_users));
    v.object({"retention", "how long what is kept"}, [&x](visitor& in) {
        in.value({"records", "single records; older ones are kept as sums by day"},
                 time_of(x.retention.records, day, 10 * 366 * day));
        in.value({"days", "sums by day"}, time_of(x.retention.days, day, 30 * 366 * day));
    });
}

void declare(visitor& v, prices& x) {
    v.value({"currency", "of all prices and budgets"}, text_of(x.currency, "[A-Z]{3}", "three letters, such as USD"));
    v.map({"models", "by the pools' model, or model.type for one deployment type, such as gpt-4o.provisioned"},
          "price", [&x](visitor& in, const std::string& name) { declare(in, x.models[name]); });
}

void declare(visitor& v, quotas& x) {
    v.value({"store", "memory, or redis://[user@]host[:port][/database] for several gateways; rediss:// with TLS"},
            text_of(x.store));
    v.value({"password", "of Redis"}, secret_of(x.password));
    v.value({"ca_file", "PEM bundle to trust for rediss:// instead of the system's; read at the start"},
            text_of(x.ca_file));
    v.value({"burst", "how much of a minute's rate may come at once"}, time_of(x.burst, seconds(1), minutes(1)));
    v.value({"gateways", "that share the quotas: each takes its part while Redis is away"},
            count_of(x.gateways, 1, 1000));
    v.value({"prefix", "of the keys in Redis"}, text_of(x.prefix, "[A-Za-z0-9:_.-]{1,64}"));
}

void declare(visitor& v, shed& x) {
    v.value({"low", "clients of priority low are refused when less than this share of the pool's capacity is left"},
            share_of(x.low));
    v.value({"normal", "the same for priority normal"}, share_of(x.normal));
}

void declare(visitor& v, tracing& x) {
    v.value({"endpoint", "http(s)://host[:port] of a collector that takes OTLP over HTTP; none: no spans"},
            text_of(x.endpoint));
    v.object({"headers", "sent to the collector"}, [&x](visitor& in) {
        in.others("header", "secret reference", [&x](const std::string& name) { return secret_of(x.headers[name]); });
    });
    v.value({"ca_file", "PEM bundle to trust for the collector instead of the system's; watched"},
            text_of(x.ca_file));
    v.value({"service", "service.name of the spans"}, text_of(x.service));
    v.value({"sample", "share of requests that are traced when the client brings no decision of its own"},
            share_of(x.sample));
    v.value({"trust_client", "a traceparent that says sampled is believed"}, flag_of(x.trust_client));
}

void declare(visitor& v, capture& x) {
    v.value({"file", "where prompts and answers of routes with capture go; none: off"}, text_of(x.file));
    v.value({"max_bytes", "of each of the two texts"}, size_of(x.max_bytes, 256, 4ULL << 20));
    v.values({"redact", "regular expressions; what matches becomes [redacted]"}, [&x] {
        x.redact.emplace_back();
        return text_of(x.redact.back());
    });
    v.values({"redact_fields", "JSON members whose text becomes [redacted], at any depth"}, [&x] {
        x.redact_fields.emplace_back();
        return text_of(x.redact_fields.back());
    });
}

}  // namespace spillway::config
