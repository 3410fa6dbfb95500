#pragma once

#include <string>
#include <vector>

#include <spillway/server/server.hpp>
#include <spillway/stats/worker_stats.hpp>

namespace spillway::server {

// What the operators see, as JSON text: gateway, configuration, listeners, routes, pools with their backends and
// breakers, instances; what was used and by whom, quotas, traces, recent errors. Holds no secret.
std::string status_text(state& s, time_point now);

// The part of it that the live page shows, on one line.
std::string page_text(state& s, time_point now);

// What operators should see although requests are being served, a line each. Fixed words and counts only: it is
// told without a key.
std::vector<std::string> attention(const state& s);

// Hash, time and outcome of the last reloads with what was wrong, as JSON text.
std::string config_text(const state& s);

// What only the server knows, for the exposition of metrics.
std::vector<stats::gauge_family> server_metrics(state& s, time_point now);

}  // namespace spillway::server
