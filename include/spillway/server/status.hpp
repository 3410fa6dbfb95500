#pragma once

#include <string>
#include <vector>

#include <spillway/server/server.hpp>
#include <spillway/stats/worker_stats.hpp>

namespace spillway::server {

// What the operators see, as JSON text: gateway, configuration, listeners, routes, pools with their backends and
// breakers, instances. Holds no secret.
std::string status_text(state& s, time_point now);

// Hash, time and outcome of the last reloads with what was wrong, as JSON text.
std::string config_text(const state& s);

// What only the server knows, for the exposition of metrics.
std::vector<stats::gauge_family> server_metrics(state& s, time_point now);

}  // namespace spillway::server
