#include <spillway/core/identity.hpp>

#include <cstring>

#include <spillway/base/text.hpp>

namespace spillway::core {

std::size_t key_table::slot_of(const key_digest& d, std::size_t mask) noexcept {
    std::uint64_t h;
    std::memcpy(&h, d.data(), sizeof h);
    return static_cast<std::size_t>(h) & mask;
}

void key_table::add(const key_digest& digest, std::size_t client, const key_times& times) {
    entries_.push_back({digest, client, times});
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

key_match key_table::find(const key_digest& digest, wall_time now) const noexcept {
    if (slots_.empty()) return {};
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = slot_of(digest, mask); slots_[at] != 0; at = (at + 1) & mask) {
        const std::size_t i = slots_[at] - 1;
        const auto& e = entries_[i];
        if (!text::constant_time_equal(e.digest, digest)) continue;
        const auto state = now < e.times.not_before ? key_state::not_yet
                           : now >= e.times.expires ? key_state::expired
                                                    : key_state::valid;
        return {state, e.client, i};
    }
    return {};
}

bool looks_like_token(std::string_view s) noexcept {
    // {" begins every JSON object with a member; { and any white space are possible, too.
    if (!s.starts_with("eyJ") && !s.starts_with("ewo") && !s.starts_with("eyA") && !s.starts_with("ew0") &&
        !s.starts_with("ewk"))
        return false;
    std::size_t dots = 0;
    for (const char c : s) {
        if (c == '.') ++dots;
        else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                   c == '_' || c == '='))
            return false;
    }
    return dots >= 2;
}

bool looks_like_key(std::string_view s) noexcept {
    constexpr std::size_t shortest = 20;
    if (s.size() < shortest) return false;
    // Ours, OpenAI's, and whatever is a JSON Web Token.
    if (s.starts_with("spw_") || s.starts_with("sk-") || looks_like_token(s)) return true;
    enum class kind : std::uint8_t { other, small, capital, digit };
    kind last = kind::other;
    std::size_t counted = 0, changes = 0;
    for (const char c : s) {
        const auto now = c >= 'a' && c <= 'z'   ? kind::small
                         : c >= 'A' && c <= 'Z' ? kind::capital
                         : c >= '0' && c <= '9' ? kind::digit
                                                : kind::other;
        // A capital and small letters after it are one word.
        const bool word = last == kind::capital && now == kind::small;
        if (now != kind::other) {
            ++counted;
            changes += last != kind::other && last != now && !word;
        }
        last = now;
    }
    return counted >= shortest && changes * 7 >= counted * 2;
}

presented_key find_key(const http::field_table& fields) noexcept {
    presented_key out;
    const auto take = [&](std::string_view value, bool bearer_field) {
        if (value.empty()) return;
        if (bearer_field) out.as_bearer = true;
        if (out.value.empty()) out.value = value;
        else if (out.value != value) out.ambiguous = true;
    };
    using http::field_id;
    constexpr std::string_view bearer = "Bearer ";
    for (const auto& f : fields) {
        if (f.id == field_id::api_key || f.id == field_id::ocp_apim_subscription_key) take(f.value, false);
        if (f.id == field_id::authorization && text::istarts_with(f.value, bearer))
            take(text::trim(f.value.substr(bearer.size())), true);
    }
    if (out.value.empty())
        for (const auto& f : fields)
            if (f.id == field_id::x_api_key) take(f.value, false);
    return out;
}

}  // namespace spillway::core
