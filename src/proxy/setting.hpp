#pragma once

#include <memory>
#include <optional>

#include <spillway/base/fault.hpp>
#include "connection.hpp"

namespace spillway::proxy {

using maybe_fault = std::optional<fault>;

// Where an exchange takes place: its connection, its thread, and the configuration that it began with.
struct setting {
    explicit setting(proxy::connection& c) : connection(c), worker(c.worker()), snapshot(worker.current()) {}

    const proxy::snapshot& config() const noexcept { return *snapshot->shared; }
    const listener& door() const noexcept { return connection.from(); }
    net::interrupt& left() const noexcept { return connection.left(); }
    time_point write_deadline() const noexcept { return worker.now() + door().from->limits.write_timeout; }

    proxy::connection& connection;
    proxy::worker_tools& worker;
    const std::shared_ptr<worker_snapshot> snapshot;
};

}  // namespace spillway::proxy
