#include <array>

#include "worker_metrics.hpp"

namespace spillway::stats {
namespace {

using g = metric_group;
constexpr auto total = metric_kind::total;
constexpr auto level = metric_kind::level;

// What the server knows at the moment of a scrape; it fills them by `server_metric`.
constexpr std::array server_table{
    declaration{"spillway_quota_limit", level, g::quotas, "holder limit",
                "Configured limit: requests and tokens a minute, concurrent requests"},
    declaration{"spillway_quota_remaining", level, g::quotas, "holder limit", "What is left of it now"},
    declaration{"spillway_budget_spent_ratio", level, g::quotas, "holder unit",
                "Spent part of the budget of the running period; unit is tokens or money"},
    declaration{"spillway_quota_holder_refused_total", total, g::quotas, "holder",
                "Requests that the quota of this holder refused"},
    declaration{"spillway_quota_store_up", level, g::quotas, "store",
                "0 while the shared store is away and each gateway grants its own part"},
    declaration{"spillway_quota_store_failures_total", total, g::quotas, "store", "Failed exchanges with the store"},
    declaration{"spillway_quota_store_round_trips_total", total, g::quotas, "store", "Exchanges with the store"},
    declaration{"spillway_quota_store_round_trip_seconds", level, g::quotas, "store", "Time of the last exchange"},
    declaration{"spillway_pool_capacity_share", level, g::quotas, "pool",
                "Part of the pool's capacity that is free, as shedding sees it"},

    declaration{"spillway_ledger_up", level, g::ledger, "", "Whether the store of usage records can be written"},
    declaration{"spillway_ledger_waiting_records", level, g::ledger, "",
                "Records in the spool, not yet in the store"},
    declaration{"spillway_ledger_oldest_waiting_seconds", level, g::ledger, "", "Age of the oldest of them"},
    declaration{"spillway_ledger_spool_bytes", level, g::ledger, "", "Size of the spool"},
    declaration{"spillway_ledger_spool_limit_bytes", level, g::ledger, "", "Size at which records are lost"},
    declaration{"spillway_ledger_written_total", total, g::ledger, "", "Records written to the store"},
    declaration{"spillway_ledger_lost_total", total, g::ledger, "", "Records that found no room in the spool"},
    declaration{"spillway_ledger_set_aside_total", total, g::ledger, "",
                "Records that the store refused and that were set aside"},
    declaration{"spillway_ledger_set_aside_records", level, g::ledger, "",
                "Records that lie aside in the spool until they are offered again"},
    declaration{"spillway_ledger_store_failures_total", total, g::ledger, "", "Failed attempts to use the store"},

    declaration{"spillway_backend_breaker_state", level, g::backends, "pool backend state",
                "1 for the state that the breaker is in"},
    declaration{"spillway_backend_usable", level, g::backends, "pool backend", "Whether a request may go there now"},
    declaration{"spillway_backend_outstanding", level, g::backends, "pool backend", "Attempts in flight"},
    declaration{"spillway_backend_opened_total", total, g::backends, "pool backend",
                "Times that failures opened the breaker"},
    declaration{"spillway_backend_throttled_total", total, g::backends, "pool backend",
                "Times that a 429 began a pause"},
    declaration{"spillway_instance_breaker_state", level, g::backends, "instance state",
                "1 for the state that the breaker is in"},
    declaration{"spillway_dns_lookups_total", total, g::backends, "result",
                "Look-ups of names that have ended: found, none (no such name, no address), failed (no answer)"},
    declaration{"spillway_dns_failing_names", level, g::backends, "",
                "Names of instances and proxies whose last look-up brought no address"},
    declaration{"spillway_pool_health", level, g::backends, "pool health",
                "1 for what the pool is: usable, throttled, dead"},
    declaration{"spillway_credential_token_seconds_left", level, g::backends, "credential scope",
                "Life that the gateway's token has left"},
    declaration{"spillway_credential_refreshes_total", total, g::backends, "credential scope result",
                "Tokens of the gateway asked for, by result"},

    declaration{"spillway_token_provider_keys", level, g::clients, "provider", "Keys that the provider publishes"},
    declaration{"spillway_token_provider_refreshes_total", total, g::clients, "provider result",
                "Readings of the keys, by result"},

    declaration{"spillway_trace_spans_total", total, g::telemetry, "result",
                "Spans: exported, or dropped because the collector is slow or away"},
    declaration{"spillway_trace_export_failures_total", total, g::telemetry, "",
                "Batches of spans that the collector did not take"},

    declaration{"spillway_log_dropped_total", total, g::telemetry, "log",
                "Lines of the access log or of the daemon's log that were lost: reader too slow, or disk full"},
    declaration{"spillway_capture_dropped_total", total, g::telemetry, "",
                "Captured prompts and answers that were lost: writer too slow, or disk full"},

    declaration{"spillway_ready", level, g::process, "", "What /health/ready says"},
    declaration{"spillway_draining", level, g::process, "", "Whether the gateway is shutting down"},
    declaration{"spillway_config_info", level, g::process, "hash", "The configuration that runs"},
    declaration{"spillway_config_reloads_total", total, g::process, "result", "Reloads by result"},
    declaration{"spillway_config_loaded_timestamp_seconds", level, g::process, "",
                "When the running configuration was loaded"},
    declaration{"spillway_build_info", level, g::process, "version", "Version"},
    declaration{"spillway_start_time_seconds", level, g::process, "", "When the process started"},
    declaration{"spillway_loop_longest_round_seconds", level, g::process, "worker",
                "Longest round of the event loop since the last scrape: how late a timer may have been"},
};

}  // namespace

std::span<const declaration> server_metric_declarations() noexcept { return server_table; }

}  // namespace spillway::stats
