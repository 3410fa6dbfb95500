#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include <spillway/server/server.hpp>
#include <spillway/stats/worker_stats.hpp>

// The parts of /status that tell what was used, by whom, and how that is kept. Null where the configuration has none.
namespace spillway::server {

// An empty text is null.
nlohmann::json text_or_null(const std::string& text);

nlohmann::json usage_of(const state& s);
nlohmann::json quotas_of(const state& s, time_point now, wall_time wall);
nlohmann::json traces_of(const state& s);
// The last ones, newest first.
nlohmann::json errors_of(const state& s);

// Cumulative counts by client and by pool, and how long pools take: with the counts of their
// buckets, from which readers make percentiles of a time of their own. What has no client or no pool stands under "".
nlohmann::json traffic_of(const stats::label_table& labels, std::span<const stats::worker_stats* const> workers);

// The value below which that part of the observations lies, taken as even within a bucket; above the last bound: that
// bound. Zero when there are none. `counts` has one more than `bounds`.
double quantile(std::span<const double> bounds, std::span<const std::uint64_t> counts, double part) noexcept;

}  // namespace spillway::server
