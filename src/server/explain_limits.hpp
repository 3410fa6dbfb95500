#pragma once

#include <nlohmann/json.hpp>

#include <spillway/config/tree.hpp>

namespace spillway::server {

// The quotas that a request of that client on these pools would take from, its priority, and what becomes of its
// usage.
nlohmann::json explain_limits(const config::tree& t, const std::string& client,
                              const std::vector<std::string>& pools);

}  // namespace spillway::server
