#include <array>

#include <spillway/http/json_scan.hpp>
#include <spillway/http/target.hpp>
#include <spillway/proxy/exchange.hpp>
#include <spillway/proxy/health_paths.hpp>

namespace spillway::proxy {

bool exchange::is_local_path() const noexcept {
    return path_ == live_path || is_ready_path(path_) || is_route_health();
}

// Probes: tiny, without a key, the same for GET and HEAD.
net::task<bool> exchange::local_service() {
    is_probe_ = true;
    const auto method = scratch_->request.method;
    if (method != "GET" && method != "HEAD") {
        const fault f{
            .code = "MethodNotAllowed", .who = origin::client, .status = 405, .message = "Probes use GET or HEAD."};
        co_return co_await refuse(f);
    }
    if (is_route_health()) co_return co_await route_health();
    const auto& process = worker_.process();
    const bool ok = path_ == live_path || (process.ready.load(std::memory_order_relaxed) &&
                                           !process.draining.load(std::memory_order_relaxed));
    co_return co_await send_local(ok ? 200 : 503, "text/plain", ok ? "ok\n" : "unavailable\n",
                                  "cache-control: no-store\r\n");
}

// What the client may use, made from its routes; no backend is asked. Every name of the list can be asked for by
// itself.
net::task<bool> exchange::list_models() {
    const auto& mine = snapshot_->shared->clients[*client_];
    const auto created =
        std::to_string(std::chrono::duration_cast<seconds>(snapshot_->shared->loaded_at.time_since_epoch()).count());
    const auto append_model = [&](std::string& out, std::string_view name) {
        out += "{\"id\":";
        http::append_json_string(out, name);
        out += ",\"object\":\"model\",\"created\":" + created + ",\"owned_by\":\"spillway\"}";
    };
    std::string body;
    if (classified_.model_id.empty()) {
        body = "{\"object\":\"list\",\"data\":[";
        for (std::size_t i = 0; i < mine.models.size(); ++i) {
            if (i > 0) body += ',';
            append_model(body, mine.models[i]);
        }
        body += "]}";
        co_return co_await send_local(200, "application/json", body, {});
    }
    std::array<char, 256> memory;
    const auto wanted = classified_.model_id.size() <= memory.size()
                            ? http::decode_segment(classified_.model_id, memory)
                            : std::nullopt;
    // The routes decide, as they would for a request: a pattern leads to names that no list can show.
    if (wanted && snapshot_->shared->router.reaches(*client_, *wanted)) append_model(body, *wanted);
    if (!body.empty()) co_return co_await send_local(200, "application/json", body, {});
    const fault f{.code = "ModelNotFound",
                  .who = origin::client,
                  .status = 404,
                  .message = "There is no model of that name for this client. List them with GET /openai/v1/models."};
    co_return co_await refuse(f);
}

}  // namespace spillway::proxy
