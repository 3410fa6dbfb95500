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
    availability out = a;
    if (a.usable && b.usable) {
        if (!a.trial) out = b;
        out.trial = a.trial || b.trial;
    } else if (a.usable) {
        out = b;
    } else if (!b.usable) {
        // Sickness weighs more than back-pressure: one with both is not merely throttled.
        if (a.mode == breaker_mode::throttled) out = b;
        out.until = std::max(a.until, b.until);
        out.last_resort = std::max(a.last_resort, b.last_resort);
    }
    out.proven = a.proven && b.proven;
    return out;
}

breaker::breaker(const breaker_policy& policy) { set_policy(policy); }

void breaker::set_policy(const breaker_policy& policy) {
    policy_ = policy;
    policy_.failures = std::max<std::uint32_t>(1, policy_.failures);
    policy_.trials = std::max<std::uint32_t>(1, policy_.trials);
}

availability breaker::view(time_point now) const noexcept {
    availability throttle, sickness;
    if (now < throttled_until_)
        throttle = {breaker_mode::throttled, false, false, throttled_until_, throttled_until_};
    if (open_) {
        const time_point lease = claimed_at_ + policy_.open;
        if (now < open_until_) sickness = {why_, false, false, open_until_, std::min(open_until_, last_resort_at_)};
        else if (trials_running_ < policy_.trials || now >= lease)
            sickness = {breaker_mode::half_open, true, true, now, now};
        else sickness = {breaker_mode::half_open, false, false, lease, std::min(lease, last_resort_at_)};
        sickness.proven = proven_;
    }
    return both(throttle, sickness);
}

bool breaker::claim_trial(time_point now, bool last_resort) noexcept {
    if (!open_) return false;
    const bool half_open =
        now >= open_until_ && (trials_running_ < policy_.trials || now >= claimed_at_ + policy_.open);
    if (!half_open && !(last_resort && now >= last_resort_at_)) return false;
    ++trials_running_;
    claimed_at_ = now;
    if (trials_running_ >= policy_.trials) last_resort_at_ = now + policy_.last_resort;
    return true;
}

void breaker::abandon_trial() noexcept {
    if (trials_running_ > 0) --trials_running_;
    if (trials_running_ == 0) last_resort_at_ = std::min(last_resort_at_, claimed_at_);
}

void breaker::on_doubtful(time_point now) noexcept {
    abandon_trial();
    if (!open_) return;
    open_until_ = std::max(open_until_, now + policy_.last_resort);
    last_resort_at_ = now + policy_.last_resort / 10;
}

void breaker::close() noexcept {
    open_ = proven_ = false;
    open_for_ = duration::zero();
    open_until_ = last_resort_at_ = claimed_at_ = time_point{};
    trials_running_ = 0;
}

void breaker::on_success(time_point now, bool trial) noexcept {
    if (throttled_until_ <= now) throttled_until_ = time_point{};
    if (trial && open_) close();
}

duration breaker::bounded_told(duration told) const noexcept {
    return std::max(policy_.min_pause, std::min(told, policy_.max_told));
}

void breaker::on_throttled(time_point now, std::optional<duration> told, bool trial) noexcept {
    // A 429 proves the backend is alive.
    if (trial && open_) close();
    if (throttled_until_ <= now) ++times_throttled_;
    throttled_until_ = std::max(throttled_until_, now + bounded_told(told.value_or(policy_.throttle_default)));
}

void breaker::open(time_point now, breaker_mode why, duration how_long) noexcept {
    if (!open_) {
        ++times_opened_;
        trials_running_ = 0;
    }
    open_ = true;
    proven_ = false;
    why_ = why;
    open_until_ = std::max(open_until_, now + std::max(policy_.min_pause, how_long));
    last_resort_at_ = now + policy_.last_resort;
}

// Opens for the usual time, or for twice the last one when a trial failed.
void breaker::reopen(time_point now, breaker_mode why, double jitter, bool grows) noexcept {
    if (open_for_ == duration::zero()) open_for_ = policy_.open;
    else if (grows) open_for_ = std::min(open_for_ * 2, policy_.max_open);
    const auto spread = std::chrono::duration_cast<duration>(open_for_ * (0.9 + 0.2 * jitter));
    open(now, why, std::min(spread, policy_.max_open));
}

// Trials that run side by side fail together: one doubling for all of them.
void breaker::trial_failed(time_point now, const failure& f) noexcept {
    if (trials_running_ > 0) --trials_running_;
    proven_ = false;
    if (now >= open_until_) reopen(now, f.why, f.jitter, !f.last_resort);
    else last_resort_at_ = now + policy_.last_resort;
}

// The share decides; at low traffic, and when a backend dies at once, a run without a success between.
bool breaker::tips(const evidence_window::tally& seen) const noexcept {
    if (seen.failed < policy_.failures) return false;
    return seen.run >= policy_.failures || seen.failed >= policy_.share * static_cast<double>(seen.ended);
}

void breaker::on_failure(time_point now, const failure& f, const evidence_window::tally& seen) noexcept {
    if (open_) {
        if (f.trial) trial_failed(now, f);
        if (f.told) open_until_ = std::max(open_until_, now + bounded_told(*f.told));
        return;
    }
    if (f.told) {
        open(now, f.why, bounded_told(*f.told));
        open_for_ = policy_.open;
        return;
    }
    if (f.proven || tips(seen)) reopen(now, f.why, f.jitter, true);
}

void breaker::on_proof(bool whole) noexcept {
    if (open_ && whole) close();
    else proven_ = open_;
}

void breaker::on_disproof(time_point now, double jitter) noexcept {
    proven_ = false;
    if (open_ && now >= open_until_) reopen(now, why_, jitter, true);
}

}  // namespace spillway::core
