#pragma once

#include <string_view>

namespace spillway::server {

// Cores that this process may use: its affinity, and what the cgroup grants. At least 1.
unsigned granted_cores();

// Cores of a cgroup v2 `cpu.max` ("150000 100000", "max 100000"), rounded up, `available` at most.
unsigned cores_of_quota(std::string_view cpu_max, unsigned available) noexcept;

}  // namespace spillway::server
