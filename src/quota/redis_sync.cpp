#include <algorithm>
#include <cmath>

#include "redis_holder.hpp"
#include "relaxed.hpp"

// The side of a shared holder that the store's thread works on: what is asked.
namespace spillway::quota {
namespace {

using core::quota_limit;
constexpr duration heartbeat = seconds(6);  // permits and reservations of a silent gateway come free after this
constexpr duration beats = milliseconds(1500);
constexpr duration idle_beats = minutes(20);  // of spenders: ended ones are summed up after an hour
constexpr duration stays_active = seconds(1);
constexpr double fades = 0.8;  // of what a tick used, each tick: nothing is kept after about a second
constexpr double ahead = 3;    // ticks that a lease should last
constexpr duration budget_keeps = hours(24 * 7);  // after the end of the period, for late settlements

std::string text_of(std::int64_t n) { return std::to_string(n); }

}  // namespace

void redis_holder::add_budget(redis_call& c, wall_time wall) {
    c.cell = budget_.running(wall);
    if (c.cell == nullptr || !budget_.per()) {
        c.cell = nullptr;
        return;
    }
    c.page = &pages_.of(*c.cell, static_cast<std::size_t>(c.cell - budget_.cells().data()), budget_);
}

void redis_holder::write(redis_call& c, const wishes& w) {
    auto& out = c.words;
    const std::string base = common_->prefix + ":q:{" + name_ + "}:";
    out = {base + "s", base + "b" + (c.page != nullptr ? ":" + c.page->key : ""), common_->me,
           text_of(std::chrono::duration_cast<microseconds>(heartbeat).count())};
    for (std::size_t i = 0; i < 2; ++i) {
        const auto limit = rates_[i].limit();
        const std::int64_t burst = limit ? core::gcra(*limit, common_->burst).capacity() : 0;
        for (const auto n : {limit.value_or(0), burst, c.back[i], c.need[i], w.want[i], least_[i]})
            out.push_back(text_of(n));
        c.bounds.rates[i] = {w.want[i], burst, mul_sat(limit.value_or(0), std::int64_t{24 * 60})};
    }
    c.bounds.permits = std::max({w.used, w.permits_needed, w.permits_wanted});
    c.with_permits = limit_permits_.load(relaxed) != no_limit;
    for (const auto n : {limit_permits_.load(relaxed), w.used, w.permits_needed, w.permits_wanted})
        out.push_back(text_of(n));
    out.push_back(c.page != nullptr ? "1" : "0");
    out.push_back(text_of(budget_.limit_tokens().value_or(-1)));
    out.push_back(text_of(budget_.limit_money().value_or(-1)));
    if (c.cell != nullptr) c.told = redis_budget::own(*c.cell);
    for (const auto n : c.told) out.push_back(text_of(n));
    out.push_back(w.strict ? "1" : "0");
    const auto end = c.page != nullptr ? c.page->end + budget_keeps : wall_time{};
    out.push_back(text_of(std::chrono::duration_cast<milliseconds>(end.time_since_epoch()).count()));
    out.push_back(text_of(c.answer ? c.estimate.tokens : 0));
    out.push_back(text_of(c.answer ? c.estimate.money_nanos : 0));
    out.push_back(text_of(generation_));
    out.push_back(c.reset ? "1" : "0");
    const auto tell = [&out](std::string_view name, const budget_sums& s) {
        if (s == budget_sums{}) return;
        out.emplace_back(name);
        out.push_back(text_of(s.tokens));
        out.push_back(text_of(s.money));
    };
    if (c.page == nullptr) return;
    c.told_total = redis_budget::total(*c.page, *c.cell);
    tell(redis_budget::gateway_of(common_->me), c.told_total);
    if (!c.page->retell) return;
    c.retold = true;
    for (const auto& [name, sums] : c.page->known) tell(name, redis_budget::tellable(*c.page, sums));
}

// What to fetch so that the lease lasts for the next ticks; `back` is what is too much, or a debt.
std::int64_t redis_holder::refill(std::size_t i, std::int64_t& back) {
    auto& rate = rates_[i];
    const auto limit = rate.limit();
    const auto used = static_cast<double>(rate.counted());
    target_[i] = std::max(used * ahead, target_[i] * fades);
    if (target_[i] < 1) target_[i] = 0;
    if (!limit) return 0;
    const auto part = core::gcra(*limit, common_->burst).capacity() / (2 * std::int64_t{common_->gateways});
    const auto target = std::min(static_cast<std::int64_t>(target_[i]), part);
    back = rate.take_debt();
    if (back < 0) return target;
    const auto lease = rate.lease();
    const auto surplus = lease - target;
    if (surplus > target / 2 && rate.withdraw(surplus)) back = surplus;
    return back > 0 ? 0 : std::max<std::int64_t>(0, target - lease);
}

// Permits that are held without need: few enough that all gateways together keep a sixteenth of the limit from
// others.
std::int64_t redis_holder::spare_permits() const noexcept {
    return std::max<std::int64_t>(0, limit_permits_.load(relaxed) / (16 * std::int64_t{common_->gateways}));
}

bool redis_holder::has_reserved() const noexcept {
    for (const auto& c : budget_.cells()) {
        const auto own = redis_budget::own(c);
        if (own[2] > 0 || own[3] > 0) return true;
    }
    return false;
}

void redis_holder::tick(time_point now, wall_time wall, std::vector<redis_call>& out) {
    if (touched_.exchange(false, relaxed)) active_ = now;
    const bool tries_again = alone();
    if (tries_again && now < retry_at_) return;
    redis_call c;
    wishes w;
    c.reset = reset_wanted_.load(relaxed);
    if (c.reset) {
        pages_.forget_heard();
        least_ = {};
    }
    for (std::size_t i = 0; i < 2; ++i) w.want[i] = refill(i, c.back[i]);
    const auto used = permits_.used();
    peak_ = std::max(static_cast<double>(used), peak_ * fades);
    const auto wanted = peak_ < 0.5 ? 0 : static_cast<std::int64_t>(std::ceil(peak_)) + spare_permits();
    // The answer of an ask of this round comes first and tells what was held before.
    const auto held = asking_ > 0 ? permits_.held() : permits_.shrink(wanted);
    // Asks of this round stand before this call in the pipeline and may get permits, or may be refused: wanted, but
    // not in use.
    w.used = used;
    w.permits_wanted = std::max(wanted, held) + asking_;
    add_budget(c, wall);

    const bool permits_differ = limit_permits_.load(relaxed) != no_limit && w.permits_wanted != told_permits_;
    const bool rates_differ =
        least_[0] > 0 || least_[1] > 0 || c.back[0] != 0 || c.back[1] != 0 || w.want[0] > 0 || w.want[1] > 0;
    const bool budget_differs =
        c.cell != nullptr && (now - active_ < stays_active || redis_budget::differs(*c.page, *c.cell));
    const bool has_spent = c.page != nullptr && (c.page->told[0] > 0 || c.page->told[1] > 0);
    const bool must_beat = (now - sent_ > beats && (told_permits_ > 0 || used > 0 || has_reserved())) ||
                           (now - sent_ > idle_beats && has_spent);
    if (permits_differ || rates_differ || budget_differs || must_beat || tries_again || c.reset) {
        c.who = shared_from_this();
        c.now = now;
        c.wall = wall;
        write(c, w);
        out.push_back(std::move(c));
        sent_ = now;
    }
    add_past_budgets(now, wall, out);
}

// Requests that began in the last period and end in this one.
void redis_holder::add_past_budgets(time_point now, wall_time wall, std::vector<redis_call>& out) {
    const auto per = budget_.per();
    if (!per) return;
    const auto* running = budget_.running(wall);
    for (std::size_t i = 0; i < budget_.cells().size(); ++i) {
        auto& cell = budget_.cells()[i];
        const auto number = cell.number.load(std::memory_order_acquire);
        if (&cell == running || number < 0 || number % core::period_step != static_cast<std::int64_t>(*per)) continue;
        auto& page = pages_.of(cell, i, budget_);
        if (!redis_budget::differs(page, cell) || page.end + budget_keeps < wall) continue;
        redis_call c;
        c.who = shared_from_this();
        c.now = now;
        c.wall = wall;
        c.cell = &cell;
        c.page = &page;
        wishes w;
        w.used = permits_.used();
        w.permits_wanted = std::max(w.used, permits_.held()) + asking_;
        write(c, w);
        out.push_back(std::move(c));
    }
}

redis_call redis_holder::prepare(redis_ask& a) {
    redis_call c;
    c.who = a.who;
    c.answer = std::move(a.answer);
    c.estimate = a.estimate;
    c.now = a.now;
    c.wall = a.wall;
    c.rest = a.rest;
    touched_.store(true, relaxed);
    if (const auto why = budget_.reserve(a.estimate, a.now, a.wall); why != quota_limit::none) {
        c.answer(refuse_budget(why, a.wall));
        return c;
    }
    c.reserved = true;
    wishes w;
    const std::array<std::int64_t, 2> units{a.rest ? 0 : 1, a.estimate.tokens};
    for (std::size_t i = 0; i < 2; ++i) {
        if (!rates_[i].limited() || units[i] <= 0) continue;
        c.from_lease[i] = rates_[i].take(units[i]);
        if (c.from_lease[i]) continue;
        c.back[i] = rates_[i].empty();
        c.need[i] = units[i];
        w.want[i] = static_cast<std::int64_t>(target_[i]);
    }
    // Others of this round may be granted before it, or may be refused: nothing is in use for them yet.
    w.used = permits_.used();
    if (!c.rest) ++asking_;
    w.permits_needed = c.rest ? w.used : w.used + asking_;
    w.permits_wanted = std::max(w.permits_needed + spare_permits(), permits_.held());
    w.strict = true;
    add_budget(c, a.wall);
    write(c, w);
    return c;
}

// As if it had not been asked for.
void redis_holder::undo(redis_call& c) noexcept {
    const std::array<std::int64_t, 2> units{c.rest ? 0 : 1, c.estimate.tokens};
    for (std::size_t i = 0; i < 2; ++i) {
        if (c.from_lease[i]) rates_[i].put(units[i]);
    }
    if (c.reserved) budget_.release(c.estimate, c.now, c.wall);
}

void redis_holder::go_away(time_point now, wall_time wall, std::vector<redis_call>& out) {
    redis_call c;
    for (std::size_t i = 0; i < 2; ++i) c.back[i] = rates_[i].empty();
    add_budget(c, wall);
    c.who = shared_from_this();
    c.now = now;
    c.wall = wall;
    write(c, {});
    out.push_back(std::move(c));
}

}  // namespace spillway::quota
