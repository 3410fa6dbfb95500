#include <array>
#include <string>

#include <spillway/http/json_scan.hpp>
#include <spillway/http/target.hpp>
#include <spillway/proxy/health_paths.hpp>

#include "reply.hpp"

namespace spillway::proxy {

bool reply::is_for_probes() const noexcept {
    return asked_.path == live_path || is_ready_path(asked_.path) || asked_.path.starts_with(route_health_prefix);
}

// Probes: tiny, without a key, the same for GET and HEAD.
net::task<bool> reply::probe() {
    const auto method = asked_.head().method;
    if (method != "GET" && method != "HEAD") {
        const fault f{
            .code = "MethodNotAllowed", .who = origin::client, .status = 405, .message = "Probes use GET or HEAD."};
        co_return co_await refuse(f);
    }
    if (asked_.path.starts_with(route_health_prefix)) co_return co_await route_health();
    const auto& process = at_.worker.process();
    const bool ok = asked_.path == live_path || (process.ready.load(std::memory_order_relaxed) &&
                                                 !process.draining.load(std::memory_order_relaxed));
    co_return co_await send(ok ? 200 : 503, "text/plain", ok ? "ok\n" : "unavailable\n",
                            "cache-control: no-store\r\n");
}

// What the client may use, made from its routes; no backend is asked. Every name of the list can be asked for by
// itself.
net::task<bool> reply::list_models() {
    const auto& mine = at_.config().clients[*by_.client];
    const auto created =
        std::to_string(std::chrono::duration_cast<seconds>(at_.config().loaded_at.time_since_epoch()).count());
    const auto append_model = [&](std::string& out, std::string_view name) {
        out += "{\"id\":";
        http::append_json_string(out, name);
        out += ",\"object\":\"model\",\"created\":" + created + ",\"owned_by\":\"spillway\"}";
    };
    std::string body;
    if (asked_.what.model_id.empty()) {
        body = "{\"object\":\"list\",\"data\":[";
        for (std::size_t i = 0; i < mine.models.size(); ++i) {
            if (i > 0) body += ',';
            append_model(body, mine.models[i]);
        }
        body += "]}";
        co_return co_await send(200, "application/json", body, {});
    }
    std::array<char, 256> memory;
    const auto wanted = asked_.what.model_id.size() <= memory.size()
                            ? http::decode_segment(asked_.what.model_id, memory)
                            : std::nullopt;
    // The routes decide, as they would for a request: a pattern leads to names that no list can show.
    if (wanted && at_.config().router.reaches(*by_.client, *wanted)) append_model(body, *wanted);
    if (!body.empty()) co_return co_await send(200, "application/json", body, {});
    const fault f{.code = "ModelNotFound",
                  .who = origin::client,
                  .status = 404,
                  .message = "There is no model of that name for this client. List them with GET /openai/v1/models."};
    co_return co_await refuse(f);
}

}  // namespace spillway::proxy
