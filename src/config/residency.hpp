#pragma once

#include <vector>

#include <spillway/config/tree.hpp>

namespace spillway::config {

// What would let data cross a boundary that gateway, pool or client draw. Data stays where the deployment's type
// processes it: in the region, in the data zone of the geography, or anywhere.
void check_residency(const tree& t, std::vector<issue>& issues);

}  // namespace spillway::config
