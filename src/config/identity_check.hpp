#pragma once

#include <vector>

#include <spillway/config/tree.hpp>

namespace spillway::config {

// Whether clients can prove who they are and none can by accident: token providers, clients, credentials, the
// locks of listeners, passthrough routes.
void check_identities(const tree& t, std::vector<issue>& out);

}  // namespace spillway::config
