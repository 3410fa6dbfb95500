#pragma once

#include <span>
#include <vector>

#include <spillway/config/validate.hpp>

namespace spillway::config {

// Whether counting and limiting make sense: where records and counts go, prices, quotas, shedding, capture, traces.
void check_usage(const tree& t, std::span<const store_form> stores, std::vector<issue>& out);

}  // namespace spillway::config
