#include <spillway/core/retry_budget.hpp>

#include <algorithm>

namespace spillway::core {
namespace {

// Between two refills; finer ones would make the cores fight for the word.
constexpr duration grain = milliseconds(10);

}  // namespace

void retry_budget::set_share(double share) noexcept {
    share_.store(static_cast<std::int64_t>(share * static_cast<double>(unit)), std::memory_order_relaxed);
}

// Up to `limit`, which is looked at without a lock: two workers may pass it by what both add.
void retry_budget::add(std::int64_t amount, std::int64_t limit) noexcept {
    const auto had = tokens_.load(std::memory_order_relaxed);
    const auto room = limit * unit - had;
    if (room > 0) tokens_.fetch_add(std::min(amount, room), std::memory_order_relaxed);
}

void retry_budget::refill(time_point now) noexcept {
    const auto at = now.time_since_epoch().count();
    auto last = last_.load(std::memory_order_relaxed);
    if (last != 0 && at - last < grain.count()) return;
    if (!last_.compare_exchange_strong(last, at, std::memory_order_relaxed)) return;
    if (last == 0 || at < last) return;
    const double passed = std::min(60.0, std::chrono::duration<double>(duration(at - last)).count());
    add(static_cast<std::int64_t>(passed * static_cast<double>(per_second * unit)), start);
}

void retry_budget::on_request(time_point now) noexcept {
    refill(now);
    add(share_.load(std::memory_order_relaxed), most);
}

bool retry_budget::take(time_point now, bool leaves_reserve) noexcept {
    refill(now);
    const auto least = (leaves_reserve ? reserve + 1 : 1) * unit;
    auto had = tokens_.load(std::memory_order_relaxed);
    while (had >= least)
        if (tokens_.compare_exchange_weak(had, had - unit, std::memory_order_relaxed)) return true;
    return false;
}

double retry_budget::left() const noexcept {
    return static_cast<double>(tokens_.load(std::memory_order_relaxed)) / static_cast<double>(unit);
}

}  // namespace spillway::core
