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

void token_cache::add(const digest& d, std::shared_ptr<const known_token> t) {
    if (order_.size() >= capacity) {
        known_.erase(order_.front());
        order_.pop_front();
    }
    order_.push_back(d);
    known_[d] = std::move(t);
}

}  // namespace spillway::proxy
