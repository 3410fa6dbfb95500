#include <spillway/core/gcra.hpp>

#include <algorithm>

namespace spillway::core {
namespace {

constexpr std::int64_t ticks_per_ns = 16;
constexpr std::int64_t minute = std::int64_t{60'000'000'000} * ticks_per_ns;
constexpr std::int64_t longest = gcra::longest_debt.count() * ticks_per_ns;
constexpr std::int64_t short_way = std::numeric_limits<std::int64_t>::max() / minute - 1;
__extension__ using wide = __int128;

constexpr std::int64_t ticks_of(time_point t) noexcept { return t.time_since_epoch().count() * ticks_per_ns; }

constexpr duration rounded_up(std::int64_t t) noexcept {
    return nanoseconds((std::max<std::int64_t>(t, 0) + ticks_per_ns - 1) / ticks_per_ns);
}

}  // namespace

gcra::gcra(std::int64_t per_minute, duration burst) noexcept
    : per_minute_(std::max<std::int64_t>(per_minute, 1)),
      burst_(std::clamp<duration>(burst, duration(0), longest_debt).count() * ticks_per_ns) {}

std::int64_t gcra::cost(std::int64_t n) const noexcept {
    if (n <= 0) return 0;
    if (n <= short_way) {
        const std::int64_t product = n * minute;
        return std::min(product / per_minute_ + (product % per_minute_ != 0 ? 1 : 0), longest);
    }
    const wide exact = (wide{n} * minute + per_minute_ - 1) / per_minute_;
    return static_cast<std::int64_t>(std::min<wide>(exact, longest));
}

std::int64_t gcra::units(std::int64_t t) const noexcept {
    if (t <= 0) return 0;
    const wide exact = wide{t} * per_minute_ / minute;
    return static_cast<std::int64_t>(std::min<wide>(exact, std::numeric_limits<std::int64_t>::max()));
}

gcra::outcome gcra::take(state s, std::int64_t units, time_point now) const noexcept {
    const std::int64_t at = ticks_of(now);
    const std::int64_t price = cost(units);
    const std::int64_t from = std::max(s, at);
    const std::int64_t latest = at + (price > burst_ ? 0 : burst_ - price);
    if (from > latest) return {false, s, rounded_up(from - latest)};
    return {true, from + price, duration(0)};
}

gcra::state gcra::settle(state s, std::int64_t reserved, std::int64_t real, time_point now) const noexcept {
    const std::int64_t more = cost(real) - cost(reserved);
    if (more <= 0) return std::max(s, full) + more;
    const std::int64_t at = ticks_of(now);
    return std::min(std::max(s, at) + more, std::max(s, at + longest));
}

std::int64_t gcra::left(state s, time_point now) const noexcept {
    const std::int64_t at = ticks_of(now);
    if (s <= at) return std::max<std::int64_t>(units(burst_), 1);
    return units(burst_ - (s - at));
}

std::int64_t gcra::used(state s, time_point now) const noexcept {
    const std::int64_t at = ticks_of(now);
    return s <= at ? 0 : units(s - at);
}

duration gcra::until_full(state s, time_point now) const noexcept { return rounded_up(s - ticks_of(now)); }

}  // namespace spillway::core
