#pragma once

#include <vector>

#include <spillway/config/issue.hpp>
#include <spillway/config/tree.hpp>

namespace spillway::config {

// Proxies on the way out, and what goes with one kind of instance alone.
void check_outbound(const tree& t, std::vector<issue>& issues);

}  // namespace spillway::config
