#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <spillway/stats/cells.hpp>
#include <spillway/stats/usage_cells.hpp>

namespace spillway::stats {

// Everything that one worker counts. Names and labels of the exposition are in src/stats/worker_metrics.cpp.
struct worker_stats {
    // labels: client, pool, operation, HTTP status
    family<counter> requests;
    // labels: pool, operation; seconds from the request's head to the last byte of the answer
    family<histogram> request_seconds;
    // labels: pool, backend; seconds from sending the attempt to the first byte of its answer
    family<histogram> first_byte_seconds;
    // labels: pool, backend, outcome (status or transport failure)
    family<counter> attempts;
    // labels: backend, result; questions of the gateway itself
    family<counter> probes;
    // labels: pool, reason; why a request went to another backend than the first
    family<counter> retries;
    // labels: pool; requests served below the highest priority because that had no usable backend
    family<counter> spillovers;
    // labels: code; answers that the gateway made itself
    family<counter> local_replies;
    // labels: limit; times that a configured limit was hit
    family<counter> limits;
    // labels: method (key, token, certificate, none), result (ok, or why not)
    family<counter> authentications;
    // labels: pool, how it ended
    family<counter> broken_streams;

    // labels: whose quota (client, group, pool), client, limit; requests refused by a quota
    family<counter> quota_refusals;
    // labels: pool, priority; requests refused so that more important ones get through
    family<counter> shed;
    // labels: outcome; requests by how their usage record ends
    family<counter> usage_records;
    // labels: client, pool, operation, model
    family<usage_cells> usage;
    // labels: operation, model
    family<model_cells> models;
    // labels: operation, model, error; the request as its client saw it, and each attempt as the gateway saw it
    family<operation_histogram> request_operation_seconds, attempt_operation_seconds;

    // All that the end of a request counts for usage and the gen_ai metrics. Without a pool only its record counts.
    void count_usage(const usage_numbers& n);
    // An attempt that was not the last one; count_usage() counts that.
    void count_attempt(label operation, label model, label error, double seconds) {
        attempt_operation_seconds.at({operation, model, error}).observe(seconds);
    }

    // Time that requests waited for a quota's answer from outside the process.
    histogram quota_wait_seconds;
    // Time that the gateway itself added before the first attempt was sent.
    histogram overhead_seconds;

    counter connections_accepted, connections_refused, connections_refused_by_address, connections_open,
        tls_handshakes, tls_resumed, tls_failures;
    counter requests_active, streams_active, client_left;
    counter bytes_from_clients, bytes_to_clients;
    counter upstream_opened, upstream_reused, upstream_resumed, upstream_failed, upstream_idle, upstream_unexpected;
    counter tokens_verified, slowed_down, credential_renewals;
    counter body_memory, exceptions;
    counter quota_waits, usage_records_lost;
};

// A value that the server knows at the moment of a scrape: breaker states, configuration, process.
struct sample {
    std::vector<std::pair<std::string, std::string>> labels;
    double value{0};
};
struct gauge_family {
    std::string name, help;
    bool is_counter{false};
    std::vector<sample> samples;
};

// The Prometheus text exposition of all workers together.
std::string expose(const label_table& labels, std::span<const worker_stats* const> workers,
                   std::span<const gauge_family> extra);

}  // namespace spillway::stats
