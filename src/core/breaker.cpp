#include <spillway/core/breaker.hpp>

#include <algorithm>

namespace spillway::core {

std::string_view to_string(breaker_mode m) noexcept {
    switch (m) {
        case breaker_mode::closed: return "closed";
        case breaker_mode::throttled: return "throttled";
        case breaker_mode::unhealthy: return "unhealthy";
        case breaker_mode::misconfigured: return "misconfigured";
        case breaker_mode::half_open: return "half_open";
        case breaker_mode::busy: return "busy";
    }
    return "";
}

availability both(const availability& a, const availability& b) noexcept {
    if (a.usable && b.usable) {
        availability out = a.trial ? a : b;
        out.trial = a.trial || b.trial;
        return out;
    }
    if (a.usable) return b;
    if (b.usable) return a;
    // Sickness weighs more than back-pressure: who waits for both is not merely throttled.
    availability out = a.mode == breaker_mode::throttled ? b : a;
    out.until = std::max(a.until, b.until);
    return out;
}

breaker::breaker(const breaker_policy& policy) { set_policy(policy); }

void breaker::set_policy(const breaker_policy& policy) {
    policy_ = policy;
    policy_.failures = std::max<std::uint32_t>(1, policy_.failures);
    policy_.trials = std::max<std::uint32_t>(1, policy_.trials);
    if (failures_.size() != policy_.failures) {
        failures_.assign(policy_.failures, time_point{});
        next_failure_ = 0;
    }
}

availability breaker::view(time_point now) const noexcept {
    availability throttle, sickness;
    if (now < throttled_until_) throttle = {breaker_mode::throttled, false, false, throttled_until_};
    if (health_ == health::open) {
        if (now < open_until_) sickness = {why_, false, false, open_until_};
        else if (trials_running_ < policy_.trials) sickness = {breaker_mode::half_open, true, true, now};
        else sickness = {breaker_mode::half_open, false, false, now + policy_.min_pause};
    }
    return both(throttle, sickness);
}

bool breaker::claim_trial(time_point now) noexcept {
    if (health_ != health::open || now < open_until_ || trials_running_ >= policy_.trials) return false;
    ++trials_running_;
    return true;
}

void breaker::abandon_trial() noexcept {
    if (trials_running_ > 0) --trials_running_;
}

void breaker::close() noexcept {
    health_ = health::closed;
    open_for_ = duration::zero();
    open_until_ = time_point{};
    trials_running_ = 0;
    std::fill(failures_.begin(), failures_.end(), time_point{});
}

void breaker::on_success(time_point now, bool trial) noexcept {
    if (throttled_until_ <= now) throttled_until_ = time_point{};
    if (trial && health_ == health::open) close();
}

duration breaker::bounded_told(duration told) const noexcept {
    return std::max(policy_.min_pause, std::min(told, policy_.max_told));
}

void breaker::on_throttled(time_point now, std::optional<duration> told, bool trial) noexcept {
    // Whoever refuses politely is alive.
    if (trial && health_ == health::open) close();
    if (throttled_until_ <= now) ++times_throttled_;
    throttled_until_ = std::max(throttled_until_, now + bounded_told(told.value_or(policy_.throttle_default)));
}

void breaker::open(time_point now, breaker_mode why, duration how_long) noexcept {
    if (health_ == health::closed) ++times_opened_;
    health_ = health::open;
    why_ = why;
    trials_running_ = 0;
    open_until_ = std::max(open_until_, now + std::max(policy_.min_pause, how_long));
}

// Opens for the usual time, or for twice the last one when a trial failed.
void breaker::reopen(time_point now, breaker_mode why, double jitter) noexcept {
    open_for_ = open_for_ == duration::zero() ? policy_.open : std::min(open_for_ * 2, policy_.max_open);
    const auto spread = std::chrono::duration_cast<duration>(open_for_ * (0.9 + 0.2 * jitter));
    open(now, why, std::min(spread, policy_.max_open));
}

// Trials that run side by side fail together: one doubling for all of them.
void breaker::trial_failed(time_point now, breaker_mode why, double jitter) noexcept {
    abandon_trial();
    if (now >= open_until_) reopen(now, why, jitter);
}

void breaker::on_failure(time_point now, std::optional<duration> told, bool trial, double jitter) {
    if (health_ == health::open) {
        if (trial) trial_failed(now, breaker_mode::unhealthy, jitter);
        if (told) open_until_ = std::max(open_until_, now + bounded_told(*told));
        return;
    }
    failures_[next_failure_] = now;
    next_failure_ = (next_failure_ + 1) % failures_.size();
    if (told) {
        open(now, breaker_mode::unhealthy, bounded_told(*told));
        open_for_ = policy_.open;
        return;
    }
    // The slot to be overwritten next holds the oldest of the last N failures.
    const time_point oldest = failures_[next_failure_];
    if (oldest != time_point{} && now - oldest <= policy_.window) reopen(now, breaker_mode::unhealthy, jitter);
}

void breaker::on_misconfigured(time_point now, bool trial, double jitter) {
    if (health_ == health::closed) reopen(now, breaker_mode::misconfigured, jitter);
    else if (trial) trial_failed(now, breaker_mode::misconfigured, jitter);
}

}  // namespace spillway::core
