#pragma once

#include <spillway/proxy/snapshot.hpp>

namespace spillway::proxy {

// What stands in the way of a backend at this moment: its own breaker, its instance's, the gateway's token, its cap
// on requests. The pick, shedding, readiness, /status and the metrics all go by this one answer. `own_credential`:
// requests go out with the gateway's credential, not with the client's token.
core::availability availability_of(const snapshot& s, const backend& b, time_point now, bool own_credential);

// The part of a pool's capacity that is free, 0 to 1; a backend that may not be asked, or only for
// a trial, has none.
double capacity_of(const snapshot& s, const pool& p, time_point now, bool own_credential);

}  // namespace spillway::proxy
