#include <spillway/shared/quota.hpp>

#include "memory_store.hpp"
#include "redis_store.hpp"

namespace spillway::shared {

result<std::unique_ptr<store>> open(opening with) {
    if (with.settings.store == "memory") return std::unique_ptr<store>(new memory_store(with.settings.burst));
    auto url = parse_redis_url(with.settings.store);
    if (!url) return url.error();
    return std::unique_ptr<store>(new redis_store(std::move(with), std::move(url.value())));
}

}  // namespace spillway::shared
