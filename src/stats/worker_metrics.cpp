#include "worker_metrics.hpp"

#include <array>

namespace spillway::stats {
namespace {

using w = worker_stats;
using u = usage_cells;
using t = usage_cells::by_type;
using m = model_cells;
using g = metric_group;
constexpr auto counts = metric_kind::total;
constexpr auto now = metric_kind::level;
constexpr auto spread = metric_kind::distribution;

// One value a worker where the label is `worker`, to see whether the kernel spreads connections evenly.
const std::array table{
    worker_metric{
        {"spillway_requests_total", counts, g::requests, "client pool operation status", "Answered requests"},
        &w::requests},
    worker_metric{{"spillway_request_duration_seconds", spread, g::requests, "pool operation",
                   "From the request's head to the last byte of the answer"},
                  &w::request_seconds},
    worker_metric{{"spillway_first_byte_seconds", spread, g::requests, "pool backend",
                   "From sending an attempt to the first byte of its answer"},
                  &w::first_byte_seconds},
    worker_metric{
        {"spillway_attempts_total", counts, g::requests, "pool backend outcome", "Attempts on backends by outcome"},
        &w::attempts},
    worker_metric{
        {"spillway_retries_total", counts, g::requests, "pool reason", "Attempts that followed a refused one"},
        &w::retries},
    worker_metric{{"spillway_spillovers_total", counts, g::requests, "pool",
                   "Requests served below the highest priority, or outside of a region that goes first"},
                  &w::spillovers},
    worker_metric{{"spillway_local_replies_total", counts, g::requests, "code", "Answers made by the gateway itself"},
                  &w::local_replies},
    worker_metric{
        {"spillway_limits_hit_total", counts, g::requests, "limit", "Times that a configured limit was hit"},
        &w::limits},
    worker_metric{{"spillway_broken_streams_total", counts, g::requests, "pool reason",
                   "Answers that broke off after their head"},
                  &w::broken_streams},
    worker_metric{
        {"spillway_client_left_total", counts, g::requests, "", "Requests whose client went away before the end"},
        &w::client_left},
    worker_metric{{"spillway_overhead_seconds", spread, g::requests, "",
                   "Gateway's own time before the first attempt was sent"},
                  &w::overhead_seconds},
    worker_metric{{"spillway_requests_active", now, g::requests, "", "Requests being served now"},
                  &w::requests_active},
    worker_metric{{"spillway_streams_active", now, g::requests, "", "Answers being relayed now"}, &w::streams_active},

    worker_metric{
        {"spillway_tokens_total", counts, g::usage, "client pool type=prompt source=exact",
         "Tokens; cached ones are part of prompt, reasoning ones of completion; estimated ones were counted "
         "by the gateway because no backend told them"},
        &t::prompt,
        &u::exact},
    worker_metric{{"spillway_tokens_total", counts, g::usage, "client pool type=completion source=exact", ""},
                  &t::completion,
                  &u::exact},
    worker_metric{{"spillway_tokens_total", counts, g::usage, "client pool type=cached source=exact", ""},
                  &t::cached,
                  &u::exact},
    worker_metric{{"spillway_tokens_total", counts, g::usage, "client pool type=reasoning source=exact", ""},
                  &t::reasoning,
                  &u::exact},
    worker_metric{{"spillway_tokens_total", counts, g::usage, "client pool type=prompt source=estimated", ""},
                  &t::prompt,
                  &u::estimated},
    worker_metric{{"spillway_tokens_total", counts, g::usage, "client pool type=completion source=estimated", ""},
                  &t::completion,
                  &u::estimated},
    worker_metric{{"spillway_tokens_total", counts, g::usage, "client pool type=cached source=estimated", ""},
                  &t::cached,
                  &u::estimated},
    worker_metric{{"spillway_tokens_total", counts, g::usage, "client pool type=reasoning source=estimated", ""},
                  &t::reasoning,
                  &u::estimated},
    worker_metric{{"spillway_usage_price_total", counts, g::usage, "client pool",
                   "Price of what was used, in the currency of the price list; 0 for models that it does not name"},
                  &u::price_nanos,
                  nullptr,
                  1e-9},
    worker_metric{
        {"spillway_usage_records_total", counts, g::usage, "outcome", "Usage records made, by how the request ended"},
        &w::usage_records},
    worker_metric{{"spillway_usage_records_lost_total", counts, g::usage, "",
                   "Usage records that found no room in the spool: what they say is missing in every report"},
                  &w::usage_records_lost},

    worker_metric{{"gen_ai_client_token_usage", spread, g::gen_ai,
                   "gen_ai_operation_name gen_ai_provider_name=azure.ai.openai gen_ai_request_model "
                   "gen_ai_token_type=input",
                   "Tokens of one request, as its backend counts them"},
                  &m::input_tokens},
    worker_metric{{"gen_ai_client_token_usage", spread, g::gen_ai,
                   "gen_ai_operation_name gen_ai_provider_name=azure.ai.openai gen_ai_request_model "
                   "gen_ai_token_type=output",
                   ""},
                  &m::output_tokens},
    worker_metric{{"gen_ai_client_operation_duration_seconds", spread, g::gen_ai,
                   "gen_ai_operation_name gen_ai_provider_name=azure.ai.openai gen_ai_request_model error_type?",
                   "One attempt on a backend, as the gateway sees it, to the last byte"},
                  &w::attempt_operation_seconds},
    worker_metric{{"gen_ai_server_request_duration_seconds", spread, g::gen_ai,
                   "gen_ai_operation_name gen_ai_provider_name=azure.ai.openai gen_ai_request_model error_type?",
                   "One request with all its attempts, as the client sees it"},
                  &w::request_operation_seconds},
    worker_metric{{"gen_ai_server_time_to_first_token_seconds", spread, g::gen_ai,
                   "gen_ai_operation_name gen_ai_provider_name=azure.ai.openai gen_ai_request_model",
                   "Of streams: from the request's head to the first bytes of the answer"},
                  &m::first_token_seconds},
    worker_metric{{"gen_ai_server_time_per_output_token_seconds", spread, g::gen_ai,
                   "gen_ai_operation_name gen_ai_provider_name=azure.ai.openai gen_ai_request_model",
                   "Of streams: mean time of each token after the first"},
                  &m::token_seconds},

    worker_metric{{"spillway_quota_refusals_total", counts, g::quotas, "holder_kind client limit",
                   "Requests refused by a quota: of the client, its group, or the client on a pool"},
                  &w::quota_refusals},
    worker_metric{{"spillway_shed_total", counts, g::quotas, "pool priority",
                   "Requests refused because their pool ran short and others go first"},
                  &w::shed},
    worker_metric{{"spillway_quota_waits_total", counts, g::quotas, "",
                   "Requests that waited for the quota store because the local lease did not suffice"},
                  &w::quota_waits},
    worker_metric{{"spillway_quota_wait_seconds", spread, g::quotas, "", "How long they waited"},
                  &w::quota_wait_seconds},

    worker_metric{{"spillway_authentications_total", counts, g::clients, "method result",
                   "Requests by how their client proved itself, and with what result"},
                  &w::authentications},
    worker_metric{{"spillway_tokens_verified_total", counts, g::clients, "",
                   "Signatures of clients' tokens checked; others were known already"},
                  &w::tokens_verified},
    worker_metric{{"spillway_slowed_down_total", counts, g::clients, "",
                   "Refusals that were delayed because of repeated failures"},
                  &w::slowed_down},

    worker_metric{{"spillway_connections_accepted_total", counts, g::connections, "", "Client connections accepted"},
                  &w::connections_accepted},
    worker_metric{
        {"spillway_connections_refused_total", counts, g::connections, "", "Client connections refused at a limit"},
        &w::connections_refused},
    worker_metric{{"spillway_connections_refused_by_address_total", counts, g::connections, "",
                   "Client connections refused because their address has as many as it may"},
                  &w::connections_refused_by_address},
    worker_metric{{"spillway_connections_open", now, g::connections, "worker", "Client connections open now"},
                  &w::connections_open},
    worker_metric{{"spillway_tls_handshakes_total", counts, g::connections, "", "TLS handshakes with clients"},
                  &w::tls_handshakes},
    worker_metric{{"spillway_tls_resumed_total", counts, g::connections, "",
                   "TLS handshakes with clients that resumed a session"},
                  &w::tls_resumed},
    worker_metric{
        {"spillway_tls_failures_total", counts, g::connections, "", "TLS handshakes with clients that failed"},
        &w::tls_failures},
    worker_metric{{"spillway_client_bytes_received_total", counts, g::connections, "", "Bytes of request bodies"},
                  &w::bytes_from_clients},
    worker_metric{{"spillway_client_bytes_sent_total", counts, g::connections, "", "Bytes of answers"},
                  &w::bytes_to_clients},
    worker_metric{
        {"spillway_upstream_connections_opened_total", counts, g::connections, "", "Connections opened to instances"},
        &w::upstream_opened},
    worker_metric{{"spillway_upstream_connections_reused_total", counts, g::connections, "",
                   "Attempts that used a warm connection"},
                  &w::upstream_reused},
    worker_metric{
        {"spillway_upstream_tls_resumed_total", counts, g::connections, "", "Connections that resumed a TLS session"},
        &w::upstream_resumed},
    worker_metric{{"spillway_upstream_connect_failures_total", counts, g::connections, "", "Failed connects"},
                  &w::upstream_failed},
    worker_metric{
        {"spillway_upstream_connections_idle", now, g::connections, "", "Warm connections to instances now"},
        &w::upstream_idle},
    worker_metric{{"spillway_upstream_unexpected_bytes_total", counts, g::connections, "",
                   "Idle connections closed for bytes that nobody asked for"},
                  &w::upstream_unexpected},
    worker_metric{{"spillway_probes_total", counts, g::backends, "backend result",
                   "Questions of the gateway itself, which cost no token, by what they showed"},
                  &w::probes},
    worker_metric{{"spillway_credential_renewals_total", counts, g::backends, "",
                   "Repeats with a renewed credential after a backend refused ours"},
                  &w::credential_renewals},

    worker_metric{{"spillway_body_memory_bytes", now, g::process, "", "Memory held by request bodies now"},
                  &w::body_memory},
    worker_metric{{"spillway_exceptions_total", counts, g::process, "", "Sessions ended by an unexpected exception"},
                  &w::exceptions},
};

}  // namespace

std::span<const worker_metric> worker_metrics() noexcept { return table; }

}  // namespace spillway::stats
