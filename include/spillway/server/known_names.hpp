#pragma once

#include <spillway/config/validate.hpp>

namespace spillway::server {

// What a configuration may name, by the tables of this program.
config::known_names known_names() noexcept;

}  // namespace spillway::server
