#include <spillway/server/usage_metrics.hpp>

#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>

#include <spillway/stats/declaration.hpp>

#include "single_metric.hpp"

namespace spillway::server {
namespace {

using stats::server_metric;

void spent_part(server_metric& to, std::string_view holder, std::string_view unit, std::int64_t spent,
                std::optional<std::int64_t> limit) {
    if (!limit) return;
    // A budget of nothing is spent from the beginning.
    const double ratio = *limit > 0 ? static_cast<double>(spent) / static_cast<double>(*limit) : 1.0;
    to.add({holder, unit}, ratio);
}

}  // namespace

void add_ledger(const ledger::report& r, metric_families& out) {
    add_single("spillway_ledger_up", r.store_up ? 1 : 0, out);
    add_single("spillway_ledger_waiting_records", r.waiting, out);
    add_single("spillway_ledger_oldest_waiting_seconds", r.oldest_waiting_seconds, out);
    add_single("spillway_ledger_spool_bytes", r.spool_bytes, out);
    add_single("spillway_ledger_spool_limit_bytes", r.spool_limit, out);
    add_single("spillway_ledger_written_total", r.written, out);
    add_single("spillway_ledger_lost_total", r.lost, out);
    add_single("spillway_ledger_set_aside_total", r.refused, out);
    add_single("spillway_ledger_set_aside_records", r.aside.records, out);
    add_single("spillway_ledger_store_failures_total", r.store_failures, out);
}

void add_quota_store(const quota::store::report& r, metric_families& out) {
    const auto one = [&](std::string_view name, double value) { server_metric(name).add({r.kind}, value).to(out); };
    one("spillway_quota_store_up", r.up ? 1 : 0);
    one("spillway_quota_store_failures_total", static_cast<double>(r.failures));
    one("spillway_quota_store_round_trips_total", static_cast<double>(r.round_trips));
    one("spillway_quota_store_round_trip_seconds", r.round_trip_seconds);
}

void add_quotas(const std::vector<quota::holder::state>& holders, metric_families& out) {
    server_metric limit("spillway_quota_limit"), left("spillway_quota_remaining");
    server_metric spent("spillway_budget_spent_ratio"), refused("spillway_quota_holder_refused_total");
    const auto both = [&](std::string_view holder, std::string_view name, std::optional<std::int64_t> of,
                          std::optional<std::int64_t> remains) {
        if (of) limit.add({holder, name}, static_cast<double>(*of));
        if (of && remains) left.add({holder, name}, static_cast<double>(*remains));
    };
    for (const auto& h : holders) {
        both(h.name, "requests", h.left.limit_requests, h.left.requests);
        both(h.name, "tokens", h.left.limit_tokens, h.left.tokens);
        std::optional<std::int64_t> free;
        if (h.limit_concurrent) free = *h.limit_concurrent - h.concurrent;
        both(h.name, "concurrent", h.limit_concurrent, free);
        spent_part(spent, h.name, "tokens", h.budget_tokens, h.limit_budget_tokens);
        spent_part(spent, h.name, "money", h.budget_money_nanos, h.limit_budget_money_nanos);
        refused.add({h.name}, static_cast<double>(h.refused));
    }
    for (auto* m : {&limit, &left, &spent, &refused}) m->to(out);
}

void add_traces(const trace::exporter::report& r, metric_families& out) {
    server_metric("spillway_trace_spans_total")
        .add({"exported"}, static_cast<double>(r.exported))
        .add({"dropped"}, static_cast<double>(r.dropped))
        .to(out);
    add_single("spillway_trace_export_failures_total", r.failures, out);
}

void add_capacity(const std::vector<pool_capacity>& pools, metric_families& out) {
    server_metric share("spillway_pool_capacity_share");
    for (const auto& p : pools) share.add({p.pool}, p.share);
    share.to(out);
}

}  // namespace spillway::server
