#include <algorithm>

#include <spillway/core/identity.hpp>
#include <spillway/proxy/health_paths.hpp>

#include "reply.hpp"

// GET /health/routes/{name}: whether one route serves, for balancers that spread by route. Tiny and without a key, as
// every probe; a client that brings its key gets the details of its own routes.
namespace spillway::proxy {
namespace {

constexpr std::string_view no_store = "cache-control: no-store\r\n";

}  // namespace

bool reply::wants_proof() const {
    const auto method = asked_.head().method;
    if (!asked_.path.starts_with(route_health_prefix) || (method != "GET" && method != "HEAD")) return false;
    return asked_.fields().has(http::field_id::authorization) || !core::find_key(asked_.fields()).value.empty();
}

net::task<bool> reply::route_health() {
    const auto& shared = at_.config();
    const auto wanted = route_asked(shared, asked_.path);
    if (!wanted) co_return co_await send(404, "text/plain", "no such route\n", no_store);
    const std::size_t route = *wanted;
    const bool ready = shared.route_ready[route].load(std::memory_order_relaxed) &&
                       !at_.worker.process().draining.load(std::memory_order_relaxed);
    const int status = ready ? 200 : 503;
    if (by_.client) {
        const auto& mine = shared.router.routes_of(*by_.client);
        if (std::find(mine.begin(), mine.end(), route) != mine.end()) {
            // Backends are named only to clients that see them in answers.
            const std::string details =
                route_details(shared, route, ready, shared.clients[*by_.client].served_by_headers, at_.worker.now());
            co_return co_await send(status, "application/json", details, no_store);
        }
    }
    co_return co_await send(status, "text/plain", ready ? "ok\n" : "unavailable\n", no_store);
}

}  // namespace spillway::proxy
