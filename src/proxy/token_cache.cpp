#include <spillway/proxy/token_cache.hpp>

#include <cstring>

#include <spillway/base/text.hpp>

namespace spillway::proxy {

bool known_token::is(std::string_view token) const noexcept {
    const auto bytes = [](std::string_view s) {
        return std::span(reinterpret_cast<const std::uint8_t*>(s.data()), s.size());
    };
    return text::constant_time_equal(bytes(text.view()), bytes(token));
}

void token_cache::add(const digest& d, std::shared_ptr<const known_token> t, std::uint64_t generation,
                      wall_time now) {
    if (known_.size() >= capacity)
        std::erase_if(known_, [&](const auto& entry) { return !entry.second->holds(generation, now); });
    if (known_.size() >= capacity) known_.erase(known_.begin());
    known_[d] = std::move(t);
}

}  // namespace spillway::proxy
