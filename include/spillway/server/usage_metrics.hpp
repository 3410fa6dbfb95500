#pragma once

#include <string>
#include <vector>

#include <spillway/ledger/ledger.hpp>
#include <spillway/quota/holder.hpp>
#include <spillway/stats/worker_stats.hpp>
#include <spillway/trace/span.hpp>

// Reports of ledger, quotas and traces as metrics. Each appends to `out`.
namespace spillway::server {

using metric_families = std::vector<stats::gauge_family>;

void add_ledger(const ledger::report& r, metric_families& out);
void add_quota_store(const quota::store::report& r, metric_families& out);
void add_quotas(const std::vector<quota::holder::state>& holders, metric_families& out);
void add_traces(const trace::exporter::report& r, metric_families& out);

struct pool_capacity {
    std::string pool;
    double share{1};  // that is free, as shedding sees it
};
void add_capacity(const std::vector<pool_capacity>& pools, metric_families& out);

}  // namespace spillway::server
