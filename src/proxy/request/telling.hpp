#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "request.hpp"

namespace spillway::proxy {

// The name that the client used, as far as it may be written down: a name that no route spells out may be a key that
// was put in the wrong place. `name` is the deployment, `route` the one that serves it.
std::string_view deployment_told(const setting& at, std::string_view name, std::optional<std::size_t> route);

// Appends JSON members, each behind a comma: what a refused request wanted. Nothing else of a log's line tells it
// when no operation was found.
void append_asked(const setting& at, const request& asked, std::string& out);

}  // namespace spillway::proxy
