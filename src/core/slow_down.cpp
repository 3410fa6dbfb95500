#include <spillway/core/slow_down.hpp>

#include <algorithm>

#include <spillway/base/text.hpp>

namespace spillway::core {

std::string_view customer_part(std::string_view address_bytes) noexcept {
    return address_bytes.size() == 16 ? address_bytes.substr(0, 8) : address_bytes;
}

duration failure_table::on_failure(std::string_view address, const config::slow_down& how, time_point now) noexcept {
    const std::uint64_t key = text::hash(address) | 1;
    constexpr std::size_t ways = 4;
    slot* mine = nullptr;
    slot* oldest = nullptr;
    for (std::size_t i = 0; i < ways; ++i) {
        slot& s = slots_[(key + i) % slots_.size()];
        if (s.address == key) mine = &s;
        if (oldest == nullptr || s.began < oldest->began) oldest = &s;
    }
    if (mine == nullptr) {
        mine = oldest;
        *mine = {key, now, 0};
    }
    if (now - mine->began > how.window) {
        mine->began = now;
        mine->failures = 0;
    }
    ++mine->failures;
    if (mine->failures <= how.failures || how.max_delay <= duration::zero()) return {};
    const auto doublings = std::min<std::uint32_t>(mine->failures - how.failures - 1, 16);
    return std::min<duration>(milliseconds(100) * (1LL << doublings), how.max_delay);
}

}  // namespace spillway::core
