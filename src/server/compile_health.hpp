#pragma once

#include <spillway/config/tree.hpp>
#include <spillway/proxy/snapshot.hpp>

namespace spillway::server {

// What readiness and probes need, into a snapshot whose pools and routes are there already.
void add_health(const config::tree& from, proxy::snapshot& to);

}  // namespace spillway::server
