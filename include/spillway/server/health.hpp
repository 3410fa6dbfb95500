#pragma once

#include <spillway/proxy/availability.hpp>

namespace spillway::server {

// How well a pool can serve: by its best backend. Readiness turns green by a success or a probe, never by the clock:
// a backend that is half-open serves only once a probe has proved it.
enum class pool_health : std::uint8_t { usable, throttled, dead };
pool_health health_of(const proxy::snapshot& s, const proxy::pool& p, time_point now, bool own_credential = true);
std::string_view to_string(pool_health h) noexcept;

// Whether a pool of the route serves. Throttled pools count when the configuration says so: back-pressure is no
// illness, and a gateway that takes itself out because of it only moves the load.
bool is_route_ready(const proxy::snapshot& s, std::size_t route, time_point now);
// Whether the routes serve that the configuration requires.
bool is_ready(const proxy::snapshot& s, time_point now);
// is_ready(), and shows the workers how each route is.
bool publish_health(const proxy::snapshot& s, time_point now);

}  // namespace spillway::server
