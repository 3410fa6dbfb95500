#include <spillway/core/token_plan.hpp>

#include <algorithm>

namespace spillway::core {

time_point refresh_at(const token_times& t, double jitter) noexcept {
    const duration life = t.expires - t.got;
    if (life <= duration::zero()) return t.got;
    const duration latest = life > minutes(10) ? life - minutes(5) : life * 3 / 4;
    const duration soonest = std::min<duration>(life / 4, seconds(30));
    duration wait = life / 2;
    if (t.refresh_in && *t.refresh_in > duration::zero()) wait = *t.refresh_in;
    wait = std::clamp(wait, soonest, latest);
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
