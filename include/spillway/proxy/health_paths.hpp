#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <spillway/proxy/snapshot.hpp>

// What probes ask for, on every listener and on the operators' one.
namespace spillway::proxy {

inline constexpr std::string_view live_path = "/health/live", route_health_prefix = "/health/routes/";
bool is_ready_path(std::string_view path) noexcept;

// The route of a path that begins with route_health_prefix; nothing: there is none of that name.
std::optional<std::size_t> route_asked(const snapshot& s, std::string_view path);

// JSON: how many backends of each pool are usable, throttled, busy and down; which, if these may be named.
std::string route_details(const snapshot& s, std::size_t route, bool ready, bool with_backends, time_point now);

}  // namespace spillway::proxy
