#include "exchange.hpp"

#include <array>

#include <spillway/base/text.hpp>

namespace spillway::sim {
namespace {

struct known_operation {
    std::string_view path;
    operation op;
};
constexpr std::array<known_operation, 10> operations{{
    {"chat/completions", operation::chat},
    {"completions", operation::completions},
    {"embeddings", operation::embeddings},
    {"responses", operation::responses},
    {"images/generations", operation::images},
    {"images/edits", operation::images},
    {"images/variations", operation::images},
    {"audio/speech", operation::speech},
    {"audio/transcriptions", operation::transcription},
    {"audio/translations", operation::transcription},
}};

}  // namespace

operation operation_at(std::string_view path) noexcept {
    for (const auto& o : operations)
        if (o.path == path) return o.op;
    return operation::unknown;
}

json recorded_request::to_json() const {
    json fields = json::object();
    for (const auto& [name, value] : headers) {
        std::string lower;
        for (const char c : name) lower += text::lower(c);
        if (fields.contains(lower)) fields[lower] = fields[lower].get<std::string>() + ", " + value;
        else fields[lower] = value;
    }
    return {{"method", method},
            {"target", target},
            {"headers", std::move(fields)},
            {"body", body},
            {"body_bytes", body_bytes}};
}

json request_counters::to_json() const {
    json statuses = json::object();
    for (const auto& [status, n] : by_status) statuses[std::to_string(status)] = n;
    return {{"requests", requests},
            {"by_status", std::move(statuses)},
            {"unanswered", unanswered},
            {"aborted_by_client", aborted_by_client},
            {"open_streams", open_streams},
            {"tokens", {{"prompt", tokens.prompt}, {"completion", tokens.completion}, {"total", tokens.total()}}},
            {"last_request", last_request ? last_request->to_json() : json(nullptr)}};
}

void request_counters::clear() {
    const auto open = open_streams;
    *this = {};
    open_streams = open;
}

call exchange::as_call() const {
    call c;
    c.op = op;
    c.deployment = &on->options;
    c.body = &body;
    c.form = asked.form.get();
    c.path = rest;
    c.api_version = api_version;
    c.id = id;
    c.created = wall_seconds;
    c.other_model = other_model;
    return c;
}

}  // namespace spillway::sim
