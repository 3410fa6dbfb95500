#include "spending.hpp"

#include <array>
#include <chrono>

#include <spillway/core/period.hpp>

namespace spillway::ledger {
namespace {

using std::chrono::days;
using std::chrono::sys_days;

constexpr std::uint64_t most_of_period = std::uint64_t{1} << 50;  // tokens of one client in one pool

constexpr std::array periods_counted{config::period::day, config::period::week, config::period::month};

std::int32_t day_of(wall_time at) {
    return static_cast<std::int32_t>(std::chrono::floor<days>(at).time_since_epoch().count());
}
wall_time begin_of(std::int32_t day) { return sys_days(days(day)); }

}  // namespace

spending::sums& spending::of(std::string_view client, std::string_view pool) {
    const auto last = [](std::string_view s, std::size_t n) {
        return s.size() < n ? std::size_t{0} : static_cast<unsigned char>(s[s.size() - n]);
    };
    const auto mixed =
        client.size() + last(client, 1) * 5 + last(client, 2) * 47 + pool.size() * 13 + last(pool, 1) * 71;
    auto& place = latest_.places[mixed % latest_.places.size()];
    if (place != nullptr && same{}(place->first, {client, pool})) return place->second;
    auto it = by_who_.find(who_view{client, pool});
    if (it == by_who_.end()) it = by_who_.try_emplace(who{std::string(client), std::string(pool)}).first;
    place = &*it;
    return it->second;
}

void spending::add(sums& to, const period_sum& s) {
    for (auto& have : to) {
        if (have.begin_day != s.begin_day || have.kind != s.kind) continue;
        have.sum.tokens = add_sat(have.sum.tokens, s.sum.tokens);
        have.sum.money_nanos = add_sat(have.sum.money_nanos, s.sum.money_nanos);
        return;
    }
    to.push_back(s);
}

void spending::add(const core::usage_record& r) {
    const spent sum{r.tokens.total(), r.price_nanos};
    if (r.tokens.prompt > core::most_tokens || r.tokens.completion > core::most_tokens || r.price_nanos < 0) {
        ++impossible_;
        return;
    }
    if (sum.tokens == 0 && sum.money_nanos == 0) return;
    const wall_time at{std::chrono::duration_cast<wall_clock::duration>(microseconds(r.time_us))};
    if (const auto day = day_of(at); day != day_) {
        day_ = day;
        week_ = day_of(core::period_of(at, config::period::week).begin);
        month_ = day_of(core::period_of(at, config::period::month).begin);
    }
    auto& to = of(r.client, r.pool);
    add(to, {config::period::day, day_, sum});
    add(to, {config::period::week, week_, sum});
    add(to, {config::period::month, month_, sum});
}

// Such a sum is lost: what of it was true cannot be told any more.
void spending::add(std::string_view client, std::string_view pool, const period_sum& s) {
    if (s.sum.tokens > most_of_period || s.sum.money_nanos < 0) ++impossible_;
    else add(of(client, pool), s);
}

void spending::add(const spending& other) {
    for (const auto& [key, periods] : other.by_who_)
        for (const auto& s : periods) add(of(key.client, key.pool), s);
    impossible_ += other.impossible_;
}

void spending::forget_before(wall_time now) {
    latest_ = {};
    for (auto it = by_who_.begin(); it != by_who_.end();) {
        std::erase_if(it->second,
                      [&](const period_sum& s) { return core::period_of(begin_of(s.begin_day), s.kind).end <= now; });
        it = it->second.empty() ? by_who_.erase(it) : std::next(it);
    }
}

std::map<std::string, spent> spending::running(wall_time now) const {
    std::map<std::string, spent> out;
    for (const auto kind : periods_counted) {
        const auto begin = day_of(core::period_of(now, kind).begin);
        const auto name = core::period_key(now, kind);
        for (const auto& [key, periods] : by_who_)
            for (const auto& s : periods)
                if (s.kind == kind && s.begin_day == begin) out[key.client + '|' + key.pool + '|' + name] = s.sum;
    }
    return out;
}

void spending::for_each(const std::function<void(std::string_view, std::string_view, const period_sum&)>& f) const {
    for (const auto& [key, periods] : by_who_)
        for (const auto& s : periods) f(key.client, key.pool, s);
}

}  // namespace spillway::ledger
