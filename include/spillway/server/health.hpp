#pragma once

#include <spillway/proxy/snapshot.hpp>

namespace spillway::server {

// What stands in the way of a backend at this moment: its own breaker, its instance's, its cap on requests.
// `own_credential`: as requests meet it that go out with the gateway's credential, not with the client's token.
core::availability look(const proxy::snapshot& s, const proxy::backend& b, time_point now,
                        bool own_credential = true);

// How well a pool can serve: by its best backend.
enum class pool_health : std::uint8_t { usable, throttled, dead };
pool_health health_of(const proxy::snapshot& s, const proxy::pool& p, time_point now, bool own_credential = true);
std::string_view to_string(pool_health h) noexcept;

// Whether any route has a pool that serves. Throttled pools count when the configuration says so: back-pressure is no
// illness, and a gateway that takes itself out because of it only moves the load.
bool is_ready(const proxy::snapshot& s, time_point now);

}  // namespace spillway::server
