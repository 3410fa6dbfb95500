#include <algorithm>

#include <spillway/proxy/exchange.hpp>
#include <spillway/proxy/health_paths.hpp>

// GET /health/routes/{name}: whether one route serves, for balancers that spread by route. Tiny and without a key, as
// every probe; a client that brings its key gets the details of its own routes.
namespace spillway::proxy {
namespace {

constexpr std::string_view no_store = "cache-control: no-store\r\n";

}  // namespace

bool exchange::is_route_health() const noexcept { return path_.starts_with(route_health_prefix); }

net::task<bool> exchange::route_health() {
    const auto& shared = *snapshot_->shared;
    const auto asked = route_asked(shared, path_);
    const auto& fields = scratch_->request.fields;
    if (fields.has(http::field_id::authorization) || !core::find_key(fields).value.empty()) {
        const maybe_fault f = co_await identify_prober();
        if (f) co_return co_await refuse(*f);
    }
    if (!asked) co_return co_await send_local(404, "text/plain", "no such route\n", no_store);
    const std::size_t route = *asked;
    const bool ready = shared.route_ready[route].load(std::memory_order_relaxed) &&
                       !worker_.process().draining.load(std::memory_order_relaxed);
    const int status = ready ? 200 : 503;
    if (client_) {
        const auto& mine = shared.router.routes_of(*client_);
        if (std::find(mine.begin(), mine.end(), route) != mine.end()) {
            // Who serves is told to those alone who may see it in answers.
            const std::string details =
                route_details(shared, route, ready, shared.clients[*client_].served_by_headers, worker_.now());
            co_return co_await send_local(status, "application/json", details, no_store);
        }
    }
    co_return co_await send_local(status, "text/plain", ready ? "ok\n" : "unavailable\n", no_store);
}

// A key that comes with a probe is checked as with any request, and guessing is slowed down alike.
net::task<exchange::maybe_fault> exchange::identify_prober() {
    maybe_fault f = check_door();
    if (f) co_return f;
    f = identify();
    if (f && waits_for_keys_) f = co_await identify_with_fresh_keys(std::move(*f));
    count_authentication();
    if (f && f->status == 401) co_await slow_down();
    co_return f;
}

}  // namespace spillway::proxy
