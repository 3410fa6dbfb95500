#include <spillway/core/token_plan.hpp>

#include <algorithm>

namespace spillway::core {

time_point refresh_at(const token_times& t, double jitter) noexcept {
    const duration life = t.expires - t.got;
    if (life <= duration::zero()) return t.got;
    duration wait = life / 2;
    if (t.refresh_in && *t.refresh_in > duration::zero()) wait = std::min(*t.refresh_in, life);
    if (life > minutes(10)) wait = std::min<duration>(wait, life - minutes(5));
    // Up to a tenth earlier, never later.
    return t.got + wait - std::chrono::duration_cast<duration>(wait * (0.1 * jitter));
}

duration retry_after(const token_refusal& r, std::uint32_t failures, double jitter) noexcept {
    constexpr duration least = milliseconds(500), most = seconds(60);
    if (r.told) return std::clamp<duration>(*r.told, least, most);
    duration wait = seconds(10);
    if (r.status != 410) {
        const auto doublings = std::min<std::uint32_t>(failures > 0 ? failures - 1 : 0, 5);
        wait = std::min<duration>(seconds(2) * (1 << doublings), most);
    }
    return wait - std::chrono::duration_cast<duration>(wait * (0.2 * jitter));
}

}  // namespace spillway::core
