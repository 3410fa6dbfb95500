#include <spillway/core/exchange.hpp>

#include <algorithm>

namespace spillway::core {
namespace {

// An attempt that has less time than this is not worth its load.
constexpr duration least_time = milliseconds(20);

action of_kind(action::kind k) {
    action a;
    a.what = k;
    return a;
}

std::uint32_t allowed_attempts(const retry_policy& retry, std::uint32_t client_repeats) noexcept {
    const auto most = std::max<std::uint32_t>(retry.attempts, 1);
    // The product of the client's repeats and ours is what reaches the backends; one other backend stays allowed.
    return std::max(std::min<std::uint32_t>(most, 2), most - std::min(most, client_repeats));
}

// What SDKs wait for an answer unless they are told otherwise, and for the first byte of a stream.
constexpr duration usual_patience = minutes(10);
constexpr duration usual_stream_start = minutes(2);

bool is_ours_to_settle(const judgement& j) noexcept {
    return j.settled_later && (j.backend != backend_signal::none || j.instance == instance_signal::misconfigured);
}

}  // namespace

duration exchange_deadlines::first_byte_limit(bool streams, std::optional<duration> client_waits) const noexcept {
    if (!streams) return first_byte.value_or(std::max(usual_patience, client_waits.value_or(usual_patience)));
    return first_byte_stream.value_or(std::min(usual_stream_start, first_byte.value_or(usual_stream_start)));
}

duration exchange_deadlines::request_limit(std::optional<duration> client_waits) const noexcept {
    return request.value_or(client_waits.value_or(usual_patience));
}

exchange_machine::exchange_machine(const pool_plan& plan, const retry_policy& retry, const breaker_policy& breaker,
                                   const exchange_deadlines& deadlines, const request_facts& facts) noexcept
    : plan_(plan),
      retry_(retry),
      breaker_(breaker),
      deadlines_(deadlines),
      facts_(facts),
      most_attempts_(allowed_attempts(retry, facts.client_repeats)) {}

time_point exchange_machine::deadline() const noexcept {
    const duration ours = deadlines_.request_limit(facts_.client_timeout);
    return facts_.began + std::min(ours, facts_.client_timeout.value_or(ours));
}

action exchange_machine::start(time_point now, world w) {
    w.budget.on_request(now);
    return pick(now, w);
}

action exchange_machine::pick(time_point now, world w) {
    if (deadline() - now < least_time) return out_of_time(now, w);
    const auto affinity = facts_.affinity != 0 ? facts_.affinity : affinity_of(facts_.client, {});
    const selection s = select(plan_, tried_, w.view, w.balance, now, w.random, affinity, facts_.where);
    if (!s.backend) return exhausted(now, w);
    backend_ = *s.backend;
    instance_ = w.view.instance_of(backend_);
    trial_ = s.trial;
    held_ = s.claimed;
    last_resort_ = s.last_resort;
    tried_.add(backend_);
    ++attempts_;
    repeated_fresh_ = renewed_ = false;
    action a = send(now);
    a.spillover = s.spillover;
    return a;
}

action exchange_machine::send(time_point now) noexcept {
    const time_point own = now + deadlines_.first_byte_limit(facts_.streams, facts_.client_timeout);
    action a;
    a.what = action::kind::send;
    a.backend = backend_;
    a.trial = trial_;
    a.first_byte_deadline = std::min(own, deadline());
    cut_short_ = a.first_byte_deadline < own;
    return a;
}

action exchange_machine::again(time_point now, world w) {
    if (deadline() - now < least_time) return out_of_time(now, w);
    const bool renew = last_.verdict == verdict::repeat_renewed;
    repeated_fresh_ = repeated_fresh_ || !renew;
    renewed_ = renewed_ || renew;
    action a = send(now);
    a.fresh_connection = repeated_fresh_;
    a.renew_credential = renew;
    return a;
}

effect exchange_machine::on_outcome(const outcome& o, world w) noexcept {
    outcome_ = o;
    judge_facts f;
    f.repeatable = facts_.repeatable;
    f.streams = facts_.streams;
    f.repeated_fresh = repeated_fresh_;
    f.can_renew = w.view.can_renew(backend_);
    f.renewed = renewed_;
    f.own_credential = facts_.own_credential;
    last_ = judge(o, f, retry_);
    // Like a client that leaves: its impatience says nothing about the backend.
    if (o.kind == outcome_kind::first_byte_timeout && cut_short_) last_.backend = backend_signal::none;

    attempt_record r{backend_, o.status, last_.reason, instance_, {}, {}, {}, last_resort_};
    effect out{backend_, last_.backend, last_.instance, o.told, {}, false, last_resort_, last_.by_client, {}};
    const bool stays = last_.verdict == verdict::repeat_fresh || last_.verdict == verdict::repeat_renewed;
    if (!stays) {
        // A trial's place is given back with its verdict.
        out.ends = std::exchange(held_, {});
        all_alike_ = all_alike_ && is_ours_to_settle(last_);
        only_429_ = only_429_ && last_was_throttled();
    }
    if (is_ours_to_settle(last_)) {
        r.on_backend = std::exchange(out.on_backend, backend_signal::none);
        r.held.backend = std::exchange(out.ends.backend, false);
        if (last_.instance == instance_signal::misconfigured) {
            r.on_instance = std::exchange(out.on_instance, instance_signal::none);
            r.held.instance = std::exchange(out.ends.instance, false);
        }
    }
    if (recorded_ < tries_.size()) {
        tries_[recorded_++] = r;
    } else {
        // Only free attempts get this far, so there is nothing to settle; the places are given back.
        out.ends.backend = out.ends.backend || r.held.backend;
        out.ends.instance = out.ends.instance || r.held.instance;
    }
    return out;
}

action exchange_machine::next(time_point now, world w) {
    const bool ends = last_.verdict == verdict::commit || last_.verdict == verdict::give_up;
    // What cannot be sent again ends where another request would be repeated.
    switch (facts_.once && !ends ? verdict::refuse : last_.verdict) {
        case verdict::commit: return commit(now, w);
        case verdict::give_up: give_up(); return of_kind(action::kind::leave);
        case verdict::repeat_fresh:
        case verdict::repeat_renewed: return again(now, w);
        case verdict::refuse:
            return outcome_.kind == outcome_kind::first_byte_timeout ? out_of_time(now, w) : exhausted(now, w);
        case verdict::elsewhere: break;
    }
    return elsewhere(now, w);
}

action exchange_machine::commit(time_point now, world w) noexcept {
    committed_at_ = now;
    if (last_.backend == backend_signal::served) {
        settle(fate::outdone);
        w.evidence.served(now);
        if (paid_) w.budget.give_back();
    } else {
        settle_failed(now, w);
    }
    return of_kind(action::kind::commit);
}

action exchange_machine::elsewhere(time_point now, world w) {
    if (!last_.free && ++counted_ >= most_attempts_) return exhausted(now, w);
    paid_ = false;
    if (last_.spends_budget) {
        // A client that lately failed everywhere must not use up what the others' repeats need.
        paid_ = w.budget.take(now, w.evidence.failed_lately(facts_.client, now, breaker_.window));
        if (!paid_) return exhausted(now, w);
    }
    return pick(now, w);
}

void exchange_machine::settle(fate f) noexcept {
    if (fate_ == fate::open) fate_ = f;
}

// No backend served it.
void exchange_machine::settle_failed(time_point now, world w) noexcept {
    if (fate_ != fate::open) return;
    const bool alike = all_alike_ && recorded_ > 0;
    const bool proven = alike && w.evidence.failed_everywhere(facts_.client, now, breaker_.window, breaker_.failures);
    settle(proven ? fate::proven : fate::doubtful);
}

std::optional<effect> exchange_machine::next_effect() noexcept {
    if (fate_ == fate::open) return std::nullopt;
    if (held_.backend || held_.instance) {
        effect e;
        e.backend = backend_;
        e.ends = std::exchange(held_, {});
        return e;
    }
    while (told_ < recorded_) {
        const attempt_record& r = tries_[told_++];
        effect e{r.backend, r.on_backend, r.on_instance, {}, r.held, fate_ == fate::proven, r.last_resort, false, {}};
        if (r.on_backend == backend_signal::none && r.on_instance == instance_signal::none) continue;
        // The same credential was good enough for another deployment of the instance.
        const bool same = fate_ == fate::outdone && r.instance == instance_;
        if (same && r.on_instance == instance_signal::misconfigured) e.on_instance = instance_signal::doubt;
        if (fate_ == fate::dropped) {
            e.on_backend = backend_signal::none;
            e.on_instance = instance_signal::none;
        }
        if (fate_ == fate::doubtful) {
            e.on_backend = e.on_backend == backend_signal::none ? backend_signal::none : backend_signal::doubt;
            e.on_instance = e.on_instance == instance_signal::none ? instance_signal::none : instance_signal::doubt;
        }
        return e;
    }
    return std::nullopt;
}

effect exchange_machine::on_broken() const noexcept {
    effect e;
    e.backend = backend_;
    if (last_.backend != backend_signal::served) return e;
    e.on_backend = backend_signal::failure;
    e.by_client = true;
    e.began = committed_at_;
    return e;
}

}  // namespace spillway::core
