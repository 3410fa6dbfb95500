#pragma once

#include <vector>

#include <spillway/config/tree.hpp>

namespace spillway::config {

// Whether counting and limiting make sense: where records and counts go, prices, quotas, shedding, capture, traces.
void check_usage(const tree& t, std::vector<issue>& out);

}  // namespace spillway::config
