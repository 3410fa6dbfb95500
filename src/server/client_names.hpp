#pragma once

#include <span>
#include <string>
#include <vector>

#include <spillway/core/router.hpp>

namespace spillway::server {

// How a pool is called where a pattern needs an example.
struct pool_names {
    std::string name, model;
};

// The names that a client can call, for its list of models: exact ones as they stand, of a pattern the names of its
// pools that fit it, else the pattern without its star, which is a name that it fits.
std::vector<std::string> names_of_client(const core::router& router, std::size_t client,
                                         std::span<const pool_names> pools);

}  // namespace spillway::server
