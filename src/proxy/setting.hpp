#pragma once

#include <memory>
#include <optional>

#include <spillway/base/fault.hpp>
#include <spillway/proxy/snapshot.hpp>
#include <spillway/proxy/worker.hpp>
#include "session.hpp"

namespace spillway::proxy {

using maybe_fault = std::optional<fault>;

// Where an exchange takes place: its connection, its thread, and the configuration that it began with.
struct setting {
    explicit setting(proxy::session& s) : session(s), worker(s.owner()), snapshot(worker.current()) {}

    const proxy::snapshot& config() const noexcept { return *snapshot->shared; }
    const listener& door() const noexcept { return session.from(); }
    net::interrupt& left() const noexcept { return session.left(); }
    time_point write_deadline() const noexcept { return worker.now() + door().from->limits.write_timeout; }

    proxy::session& session;
    proxy::worker& worker;
    const std::shared_ptr<worker_snapshot> snapshot;
};

}  // namespace spillway::proxy
