#include <spillway/core/exchange.hpp>

#include <algorithm>

namespace spillway::core {
namespace {

// An attempt that has less time than this is not worth its load.
constexpr duration least_time = milliseconds(20);

// A wait that an SDK would rather sleep through than give up.
constexpr duration patience = seconds(60);

action reply(fault why, duration wait = {}) {
    action a;
    a.what = action::kind::reply;
    a.why = std::move(why);
    a.wait = wait;
    if (wait > duration::zero() && wait <= patience) a.should_retry = true;
    return a;
}

// What only the platform team can mend: a repeat brings the same answer.
action hopeless(fault why) {
    action a = reply(std::move(why));
    a.should_retry = false;
    return a;
}

action of_kind(action::kind k) {
    action a;
    a.what = k;
    return a;
}

std::uint32_t allowed_attempts(const retry_policy& retry, std::uint32_t client_repeats) noexcept {
    const auto most = std::clamp<std::uint32_t>(retry.attempts, 1, tried_set::capacity);
    // The product of the client's repeats and ours is what reaches the backends; one other backend stays allowed.
    return std::max(std::min<std::uint32_t>(most, 2), most - std::min(most, client_repeats));
}

}  // namespace

exchange_machine::exchange_machine(const pool_plan& plan, const retry_policy& retry,
                                   const exchange_deadlines& deadlines, const request_facts& facts) noexcept
    : plan_(plan),
      retry_(retry),
      deadlines_(deadlines),
      facts_(facts),
      most_attempts_(allowed_attempts(retry, facts.client_repeats)) {}

time_point exchange_machine::deadline() const noexcept {
    duration whole = deadlines_.request;
    if (facts_.client_timeout) whole = std::min(whole, *facts_.client_timeout);
    return facts_.began + whole;
}

action exchange_machine::start(time_point now, world w) {
    w.budget.on_request(now);
    return pick(now, w);
}

action exchange_machine::pick(time_point now, world w) {
    if (deadline() - now < least_time) return out_of_time();
    const selection s = select(plan_, tried_, w.view, w.balance, now, w.random);
    if (!s.backend) return exhausted(now, w);
    backend_ = *s.backend;
    trial_ = s.trial;
    tried_.add(backend_);
    ++attempts_;
    repeated_fresh_ = renewed_ = false;
    action a = send(backend_, s.trial, now);
    a.spillover = s.spillover;
    return a;
}

action exchange_machine::send(std::size_t backend, bool trial, time_point now) noexcept {
    const time_point ours = std::min(now + deadlines_.first_byte, facts_.began + deadlines_.request);
    action a;
    a.what = action::kind::send;
    a.backend = backend;
    a.trial = trial;
    a.first_byte_deadline = std::min(ours, deadline());
    cut_short_ = a.first_byte_deadline < ours;
    return a;
}

action exchange_machine::again(time_point now, bool fresh, bool renew) {
    if (deadline() - now < least_time) return out_of_time();
    repeated_fresh_ = repeated_fresh_ || fresh;
    renewed_ = renewed_ || renew;
    action a = send(backend_, trial_, now);
    a.fresh_connection = fresh;
    a.renew_credential = renew;
    return a;
}

effect exchange_machine::on_outcome(const outcome& o, world w) noexcept {
    outcome_ = o;
    judge_facts f{facts_.repeatable, repeated_fresh_, false, renewed_, facts_.own_credential};
    f.can_renew = w.view.can_renew(backend_);
    last_ = judge(o, f, retry_);
    // Like a client that leaves: its impatience says nothing about the backend.
    if (o.kind == outcome_kind::first_byte_timeout && cut_short_) last_.backend = backend_signal::none;
    if (recorded_ < tries_.size()) tries_[recorded_++] = {backend_, o.status, last_.reason};
    return {backend_, last_.backend, last_.instance, o.told};
}

action exchange_machine::next(time_point now, world w) {
    switch (last_.verdict) {
        case verdict::commit: return of_kind(action::kind::commit);
        case verdict::give_up: return of_kind(action::kind::leave);
        case verdict::repeat_fresh: return again(now, true, false);
        case verdict::repeat_renewed: return again(now, repeated_fresh_, true);
        case verdict::refuse:
            return outcome_.kind == outcome_kind::first_byte_timeout ? out_of_time() : exhausted(now, w);
        case verdict::elsewhere: break;
    }
    if (attempts_ >= most_attempts_) return exhausted(now, w);
    if (last_.spends_budget && !w.budget.take(now)) return exhausted(now, w);
    return pick(now, w);
}

action exchange_machine::out_of_time() const {
    return reply({.code = "RequestTimeout",
                  .who = origin::upstream,
                  .status = 504,
                  .repeat_is_safe = true,
                  .message = "No backend answered within the time that this request has. Allow the client more time, "
                             "or ask the platform team for pools.<name>.timeouts."});
}

// Nobody else can be asked. What the client hears depends on why.
action exchange_machine::exhausted(time_point now, world w) const {
    const exhaustion all = look_at_all(plan_, w.view, now);
    // Zero when somebody is usable and only this request's attempts are used up: the client's own back-off is right
    // then.
    const duration wait = all.earliest ? std::max(*all.earliest - now, duration::zero()) : duration::zero();
    const bool tried = recorded_ > 0;
    if (all.all_throttled || (tried && outcome_.kind == outcome_kind::response && outcome_.status == 429))
        return reply({.code = "429",
                      .who = origin::upstream,
                      .status = 429,
                      .repeat_is_safe = true,
                      .message = "Every backend for this deployment is throttled. Try again after the time in "
                                 "Retry-After."},
                     wait);
    if (tried && outcome_.kind == outcome_kind::stream_began_with_error) return of_kind(action::kind::commit);
    if (tried && outcome_.kind == outcome_kind::response &&
        (outcome_.status == 408 || outcome_.status == 409 || outcome_.status == 499))
        return of_kind(action::kind::commit);
    if (tried && outcome_.kind == outcome_kind::first_byte_timeout && attempts_ == 1 && plan_.backends == 1)
        return out_of_time();
    if (tried && last_.instance == instance_signal::misconfigured)
        return hopeless({.code = "BackendCredentialRefused",
                         .who = origin::gateway,
                         .status = 502,
                         .message = "The backends refuse this gateway's own credential. Your key is fine; tell the "
                                    "platform team."});
    if (tried && last_.backend == backend_signal::missing)
        return hopeless({.code = "BackendDeploymentMissing",
                         .who = origin::gateway,
                         .status = 502,
                         .message = "The deployment that this gateway is configured to use does not exist on its "
                                    "backend. Tell the platform team."});
    return reply({.code = tried ? "BackendsFailed" : "NoBackendAvailable",
                  .who = origin::upstream,
                  .status = 503,
                  .repeat_is_safe = true,
                  .message = tried ? "No backend could serve the request. Try again in a moment."
                                   : "No backend for this deployment is usable at the moment. Try again after the "
                                     "time in Retry-After."},
                 wait);
}

}  // namespace spillway::core
