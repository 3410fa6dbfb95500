#include "memory_hold.hpp"

#include <string>
#include <utility>

namespace spillway::proxy {

maybe_fault memory_hold::grow_to(std::size_t bytes) {
    if (bytes <= held_) return std::nullopt;
    const auto& config = at_.config();
    auto& worker = at_.worker;
    auto& mine = *config.clients[client_].body_bytes;
    const std::size_t more = bytes - held_;
    const std::size_t of_client = mine.fetch_add(more, std::memory_order_relaxed) + more;
    // A body that is the only one of its client may be larger than the share: it would never get through.
    const bool shares = config.client_body_memory() < config.tree->gateway.body_memory;
    if (shares && of_client > config.client_body_memory() && of_client > bytes) {
        mine.fetch_sub(more, std::memory_order_relaxed);
        worker.stats().limits.at({worker.label("client_body_memory")}).add();
        return fault{.code = "TooManyRequestBodies",
                     .who = origin::client,
                     .status = 429,
                     .message = "The request bodies of this client fill the memory that one client may take (" +
                                std::to_string(config.client_body_memory()) +
                                " bytes). Wait until one of its requests ends, or send fewer large ones at a time.",
                     .wait = seconds(1)};
    }
    auto& all = worker.process().body_bytes;
    if (all.fetch_add(more, std::memory_order_relaxed) + more > config.tree->gateway.body_memory) {
        all.fetch_sub(more, std::memory_order_relaxed);
        mine.fetch_sub(more, std::memory_order_relaxed);
        worker.stats().limits.at({worker.label("body_memory")}).add();
        return fault{.code = "GatewayOverloaded",
                     .status = 503,
                     .message = "The gateway holds as many large request bodies as it may. Try again in a moment."};
    }
    held_ = bytes;
    counted_ = true;
    worker.stats().body_memory.add(more);
    return std::nullopt;
}

bool memory_hold::try_hold(std::size_t bytes) noexcept {
    const auto& config = at_.config();
    const auto take = [bytes](std::atomic<std::size_t>& held, std::size_t most) {
        if (held.fetch_add(bytes, std::memory_order_relaxed) + bytes <= most) return true;
        held.fetch_sub(bytes, std::memory_order_relaxed);
        return false;
    };
    auto& mine = *config.clients[client_].body_bytes;
    if (!take(mine, config.client_body_memory())) return false;
    if (!take(at_.worker.process().body_bytes, config.tree->gateway.body_memory)) {
        mine.fetch_sub(bytes, std::memory_order_relaxed);
        return false;
    }
    held_ = bytes;
    return true;
}

void memory_hold::release() noexcept {
    const std::size_t bytes = std::exchange(held_, 0);
    if (bytes == 0) return;
    at_.worker.process().body_bytes.fetch_sub(bytes, std::memory_order_relaxed);
    at_.config().clients[client_].body_bytes->fetch_sub(bytes, std::memory_order_relaxed);
    if (counted_) at_.worker.stats().body_memory.sub(bytes);
}

}  // namespace spillway::proxy
