#include <spillway/core/identity.hpp>

#include <cstring>

#include <spillway/base/text.hpp>

namespace spillway::core {

std::size_t key_table::slot_of(const key_digest& d, std::size_t mask) noexcept {
    std::uint64_t h;
    std::memcpy(&h, d.data(), sizeof h);
    return static_cast<std::size_t>(h) & mask;
}

void key_table::add(const key_digest& digest, std::size_t client) {
    entries_.push_back({digest, client});
    index();
}

void key_table::index() {
    std::size_t n = 16;
    while (n < entries_.size() * 2) n *= 2;
    if (slots_.size() == n) {
        n = slot_of(entries_.back().digest, slots_.size() - 1);
        while (slots_[n] != 0) n = (n + 1) & (slots_.size() - 1);
        slots_[n] = static_cast<std::uint32_t>(entries_.size());
        return;
    }
    slots_.assign(n, 0);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        std::size_t at = slot_of(entries_[i].digest, n - 1);
        while (slots_[at] != 0) at = (at + 1) & (n - 1);
        slots_[at] = static_cast<std::uint32_t>(i + 1);
    }
}

std::optional<std::size_t> key_table::find(const key_digest& digest) const noexcept {
    if (slots_.empty()) return std::nullopt;
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = slot_of(digest, mask); slots_[at] != 0; at = (at + 1) & mask) {
        const auto& e = entries_[slots_[at] - 1];
        if (text::constant_time_equal(e.digest, digest)) return e.client;
    }
    return std::nullopt;
}

presented_key find_key(const http::field_table& fields) noexcept {
    presented_key out;
    const auto take = [&](std::string_view value) {
        if (value.empty()) return;
        if (out.value.empty()) out.value = value;
        else if (out.value != value) out.ambiguous = true;
    };
    using http::field_id;
    constexpr std::string_view bearer = "Bearer ";
    for (const auto& f : fields) {
        if (f.id == field_id::api_key || f.id == field_id::ocp_apim_subscription_key) take(f.value);
        if (f.id == field_id::authorization && text::istarts_with(f.value, bearer))
            take(text::trim(f.value.substr(bearer.size())));
    }
    return out;
}

}  // namespace spillway::core
