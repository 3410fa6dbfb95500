#include <spillway/quota/holder.hpp>

#include "memory_store.hpp"
#include "redis_store.hpp"

namespace spillway::quota {

result<std::unique_ptr<store>> open(opening with) {
    if (with.settings.store == "memory") return std::unique_ptr<store>(new memory_store(with.settings.burst));
    auto url = parse_redis_url(with.settings.store);
    if (!url) return url.error();
    net::ssl_ctx_ptr tls;
    if (url->tls) {
        auto made = net::make_client_context(with.settings.ca_file);
        if (!made) return made.error();
        tls = std::move(*made);
    }
    return std::unique_ptr<store>(new redis_store(std::move(with), std::move(*url), std::move(tls)));
}

std::optional<fault> trouble_with(const config::quotas& settings) {
    if (settings.store == "memory") return std::nullopt;
    const auto url = parse_redis_url(settings.store);
    return url ? std::nullopt : std::optional(url.error());
}

}  // namespace spillway::quota
