#include "quota.hpp"

#include <algorithm>

namespace spillway::sim {
namespace {

constexpr duration minute = minutes(1);

std::uint64_t requests_of(const quota_limits& l) noexcept {
    return l.requests_per_minute != 0 ? l.requests_per_minute : (l.tokens_per_minute * 6 + 999) / 1000;
}

std::uint64_t share_of_minute(std::uint64_t per_minute, duration window) noexcept {
    if (per_minute == 0) return 0;
    const double share = std::chrono::duration<double>(window) / std::chrono::duration<double>(minute);
    return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(static_cast<double>(per_minute) * share));
}

}  // namespace

standard_quota::standard_quota(const quota_limits& l) noexcept
    : tokens_limit_(l.tokens_per_minute),
      requests_per_minute_(requests_of(l)),
      requests_limit_(share_of_minute(requests_per_minute_, l.request_window)),
      request_window_(l.request_window) {}

void standard_quota::roll(window& w, duration length, time_point now) noexcept {
    if (now >= w.ends) w = {now + length, 0};
}

std::uint64_t standard_quota::left(const window& w, std::uint64_t limit, time_point now) noexcept {
    if (now >= w.ends) return limit;
    return w.used >= limit ? 0 : limit - w.used;
}

duration standard_quota::until_end(const window& w, time_point now) noexcept {
    return now >= w.ends ? duration::zero() : w.ends - now;
}

quota_decision standard_quota::admit(std::uint64_t tokens, time_point now) noexcept {
    if (requests_limit_ != 0) {
        roll(requests_, request_window_, now);
        if (++requests_.used > requests_limit_) return {quota_reason::requests, until_end(requests_, now)};
    }
    if (tokens_limit_ != 0) {
        roll(tokens_, minute, now);
        if (tokens_.used + tokens > tokens_limit_) return {quota_reason::tokens, until_end(tokens_, now)};
        tokens_.used += tokens;
    }
    return {};
}

double provisioned_quota::level_at(time_point now) const noexcept {
    const double drained = capacity_ * seconds_between(at_, std::max(now, at_)) / 60.0;
    return std::max(0.0, level_ - drained);
}

double provisioned_quota::utilization(time_point now) const noexcept {
    return limited() ? 100.0 * level_at(now) / capacity_ : 0.0;
}

quota_decision provisioned_quota::admit(std::uint64_t tokens, time_point now) noexcept {
    if (!limited()) return {};
    level_ = level_at(now);
    at_ = now;
    if (level_ >= capacity_) {
        // A millisecond more than the brim, or rounding would invite the client into the next refusal.
        const double over = (level_ - capacity_) * 60.0 / capacity_ + 0.001;
        return {quota_reason::utilization, std::chrono::duration_cast<duration>(std::chrono::duration<double>(over))};
    }
    level_ += static_cast<double>(tokens);
    return {};
}

void provisioned_quota::settle(std::uint64_t estimated, std::uint64_t used, time_point now) noexcept {
    if (!limited()) return;
    level_ = std::max(0.0, level_at(now) + static_cast<double>(used) - static_cast<double>(estimated));
    at_ = now;
}

}  // namespace spillway::sim
