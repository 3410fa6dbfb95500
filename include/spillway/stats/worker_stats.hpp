#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <spillway/stats/cells.hpp>

namespace spillway::stats {

// Everything that one worker counts. Names and labels of the exposition are in src/stats/prometheus.cpp.
struct worker_stats {
    // labels: client, pool, operation, HTTP status
    family<counter> requests;
    // labels: pool, operation; seconds from the request's head to the last byte of the answer
    family<histogram> request_seconds;
    // labels: pool, backend; seconds from sending the attempt to the first byte of its answer
    family<histogram> first_byte_seconds;
    // labels: pool, backend, outcome (status or transport failure)
    family<counter> attempts;
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

    // Time that the gateway itself added before the first attempt was sent.
    histogram overhead_seconds;

    counter connections_accepted, connections_refused, connections_open, tls_handshakes, tls_resumed, tls_failures;
    counter requests_active, streams_active, client_left;
    counter bytes_from_clients, bytes_to_clients;
    counter upstream_opened, upstream_reused, upstream_resumed, upstream_failed, upstream_idle, upstream_unexpected;
    counter tokens_verified, slowed_down, credential_renewals;
    counter body_memory, log_dropped, exceptions;
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
