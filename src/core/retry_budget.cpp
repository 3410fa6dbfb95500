#include <spillway/core/retry_budget.hpp>

#include <algorithm>

namespace spillway::core {

void retry_budget::refill(time_point now) noexcept {
    if (last_ != time_point{} && now > last_ && tokens_ < start)
        tokens_ = std::min(start, tokens_ + per_second * seconds_between(last_, now));
    last_ = now;
}

void retry_budget::on_request(time_point now) noexcept {
    refill(now);
    tokens_ = std::min(most, tokens_ + share_);
}

bool retry_budget::take(time_point now) noexcept {
    refill(now);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
}

}  // namespace spillway::core
