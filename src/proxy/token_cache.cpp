#include <spillway/proxy/token_cache.hpp>

#include <cstring>
#include <iterator>

#include <spillway/base/text.hpp>

namespace spillway::proxy {

bool known_token::is(std::string_view token) const noexcept {
    const auto bytes = [](std::string_view s) {
        return std::span(reinterpret_cast<const std::uint8_t*>(s.data()), s.size());
    };
    return text::constant_time_equal(bytes(text.view()), bytes(token));
}

void token_cache::add(const digest& d, std::shared_ptr<const known_token> t) {
    forget(d);  // what comes again is new
    if (known_.size() >= capacity) forget(digest(order_.front()));
    order_.push_back(d);
    known_[d] = {std::move(t), std::prev(order_.end())};
}

void token_cache::forget(const digest& d) noexcept {
    const auto at = known_.find(d);
    if (at == known_.end()) return;
    order_.erase(at->second.place);
    known_.erase(at);
}

}  // namespace spillway::proxy
