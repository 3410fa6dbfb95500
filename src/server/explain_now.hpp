#pragma once

#include <nlohmann/json.hpp>

#include <spillway/proxy/snapshot.hpp>

namespace spillway::server {

// Which of the pool's backends a request would be sent to at `now`, which after it, and why not the others.
// `own_credential`: requests go out with the gateway's credential, not with the client's token.
nlohmann::json explain_now(const proxy::snapshot& s, const proxy::pool& p, bool own_credential,
                           std::uint64_t affinity, time_point now);

}  // namespace spillway::server
