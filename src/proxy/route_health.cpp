#include <algorithm>

#include <spillway/http/json_scan.hpp>
#include <spillway/http/target.hpp>
#include <spillway/proxy/availability.hpp>
#include <spillway/proxy/exchange.hpp>

// GET /health/routes/{name}: whether one route serves, for balancers that spread by route. Tiny and without a key, as
// every probe; a client that brings its key gets the details of its own routes.
namespace spillway::proxy {
namespace {

constexpr std::string_view prefix = "/health/routes/";
constexpr std::string_view no_store = "cache-control: no-store\r\n";

void append_member(std::string& out, std::string_view name, std::size_t value) {
    out.append(",\"").append(name).append("\":").append(std::to_string(value));
}

}  // namespace

bool exchange::is_route_health() const noexcept { return path_.substr(0, prefix.size()) == prefix; }

net::task<bool> exchange::route_health() {
    const auto& shared = *snapshot_->shared;
    std::array<char, 256> memory;
    const auto segment = path_.substr(prefix.size());
    const auto name = segment.size() <= memory.size() ? http::decode_segment(segment, memory) : std::nullopt;
    const auto& names = shared.route_names;
    const auto at = name ? std::find(names.begin(), names.end(), *name) : names.end();
    const auto& fields = scratch_->request.fields;
    if (fields.has(http::field_id::authorization) || !core::find_key(fields).value.empty()) {
        const maybe_fault f = co_await identify_prober();
        if (f) co_return co_await refuse(*f);
    }
    if (at == names.end()) co_return co_await send_local(404, "text/plain", "no such route\n", no_store);
    const auto route = static_cast<std::size_t>(at - names.begin());
    const bool ready = shared.route_ready[route].load(std::memory_order_relaxed) &&
                       !worker_.process().draining.load(std::memory_order_relaxed);
    const int status = ready ? 200 : 503;
    if (client_) {
        const auto& mine = shared.router.routes_of(*client_);
        if (std::find(mine.begin(), mine.end(), route) != mine.end()) {
            const std::string details = route_details(route, ready);
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

std::string exchange::route_details(std::size_t route, bool ready) const {
    const auto& shared = *snapshot_->shared;
    const time_point now = worker_.now();
    std::string out = "{\"route\":";
    http::append_json_string(out, shared.route_names[route]);
    out += ready ? ",\"ready\":true,\"pools\":[" : ",\"ready\":false,\"pools\":[";
    for (std::size_t k = 0; const auto& share : shared.router.rules()[route].pools) {
        const pool& p = shared.pools[share.pool];
        out += k++ == 0 ? "{\"pool\":" : ",{\"pool\":";
        http::append_json_string(out, p.name);
        std::size_t usable = 0, throttled = 0, busy = 0;
        std::string backends;
        for (const auto& b : p.backends) {
            const auto a = availability_of(shared, b, now, !shared.route_passes_token[route]);
            usable += a.usable && a.proven ? 1 : 0;
            throttled += a.mode == core::breaker_mode::throttled ? 1 : 0;
            busy += a.mode == core::breaker_mode::busy ? 1 : 0;
            backends += backends.empty() ? "{\"name\":" : ",{\"name\":";
            http::append_json_string(backends, b.name);
            backends.append(",\"state\":\"").append(core::to_string(a.mode)).append("\"}");
        }
        append_member(out, "usable", usable);
        append_member(out, "throttled", throttled);
        append_member(out, "busy", busy);
        append_member(out, "down", p.backends.size() - usable - throttled - busy);
        // Who serves is told to those alone who may see it in answers.
        if (shared.clients[*client_].served_by_headers) out.append(",\"backends\":[").append(backends).append("]");
        out += '}';
    }
    out += "]}";
    return out;
}

}  // namespace spillway::proxy
