#pragma once

#include <cstddef>
#include <vector>

#include <spillway/config/tree.hpp>
#include <spillway/server/file_rule.hpp>

namespace spillway::server {

// What a start or a reload would stumble over besides certificates and secrets, without opening or making anything:
// addresses that are none or that two parts want, an access log that cannot be one, more connections than the process
// may have descriptors. `files` as in compile().
void preflight(const config::tree& t, file_rule files, std::vector<config::issue>& issues);

// Connections of clients that all listeners together may hold, of so many free descriptors: each may need another one
// to its backend.
constexpr std::size_t most_connections(std::size_t free_descriptors) noexcept {
    return free_descriptors / 2 > 0 ? free_descriptors / 2 : 1;
}

}  // namespace spillway::server
