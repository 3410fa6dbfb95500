#include <spillway/proxy/health_paths.hpp>

#include <algorithm>
#include <array>
#include <utility>

#include <spillway/http/json_scan.hpp>
#include <spillway/http/target.hpp>
#include <spillway/proxy/availability.hpp>

namespace spillway::proxy {
namespace {

// The last is what API Management's users probe; the two before it are what most probes try first.
constexpr std::string_view ready_paths[] = {"/health/ready", "/healthz", "/health", "/status-0123456789abcdef"};

void append_member(std::string& out, std::string_view name, std::size_t value) {
    out.append(",\"").append(name).append("\":").append(std::to_string(value));
}

void append_pool(std::string& out, const snapshot& s, const pool& p, bool own_credential, bool with_backends,
                 time_point now) {
    out += "{\"pool\":";
    http::append_json_string(out, p.name);
    std::size_t asked = 0, usable = 0, throttled = 0, busy = 0;
    std::string backends;
    for (std::size_t i = 0; i < p.backends.size(); ++i) {
        if (!core::asks(p.plan, i)) continue;
        const auto& b = p.backends[i];
        const auto a = availability_of(s, b, now, own_credential);
        ++asked;
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
    append_member(out, "down", asked - usable - throttled - busy);
    if (with_backends) out.append(",\"backends\":[").append(backends).append("]");
    out += '}';
}

}  // namespace

bool is_ready_path(std::string_view path) noexcept {
    return std::find(std::begin(ready_paths), std::end(ready_paths), path) != std::end(ready_paths);
}

std::optional<std::size_t> route_asked(const snapshot& s, std::string_view path) {
    std::array<char, 256> memory;
    const auto segment = path.substr(route_health_prefix.size());
    const auto name = segment.size() <= memory.size() ? http::decode_segment(segment, memory) : std::nullopt;
    if (!name) return std::nullopt;
    const auto at = std::find(s.route_names.begin(), s.route_names.end(), *name);
    if (at == s.route_names.end()) return std::nullopt;
    return static_cast<std::size_t>(at - s.route_names.begin());
}

std::string route_details(const snapshot& s, std::size_t route, bool ready, bool with_backends, time_point now) {
    std::string out = "{\"route\":";
    http::append_json_string(out, s.route_names[route]);
    out += ready ? ",\"ready\":true,\"pools\":[" : ",\"ready\":false,\"pools\":[";
    bool first = true;
    for (const auto& share : s.router.rules()[route].pools) {
        if (!std::exchange(first, false)) out += ',';
        append_pool(out, s, s.pools[share.pool], !s.route(route).passthrough, with_backends, now);
    }
    out += "]}";
    return out;
}

}  // namespace spillway::proxy
