#include <spillway/core/told_time.hpp>
#include <spillway/proxy/exchange.hpp>

#include "live_pool.hpp"

namespace spillway::proxy {
namespace {

std::string_view outcome_name(const core::outcome& o) noexcept {
    switch (o.kind) {
        case core::outcome_kind::response: return {};
        case core::outcome_kind::connect_failed: return "connect_failed";
        case core::outcome_kind::dns_failed: return "dns_failed";
        case core::outcome_kind::tls_failed: return "tls_failed";
        case core::outcome_kind::reset_before_head: return "reset_before_head";
        case core::outcome_kind::stale_connection: return "stale_connection";
        case core::outcome_kind::first_byte_timeout: return "first_byte_timeout";
        case core::outcome_kind::bad_response: return "bad_response";
        case core::outcome_kind::stream_began_with_error: return "stream_began_with_error";
        case core::outcome_kind::empty_answer: return "empty_answer";
        case core::outcome_kind::suspected: return "suspected";
        case core::outcome_kind::local_shortage: return "local_shortage";
        case core::outcome_kind::not_composed: return "not_composed";
        case core::outcome_kind::no_credential: return "no_credential";
        case core::outcome_kind::client_left: return "client_left";
    }
    return {};
}

}  // namespace

core::request_facts exchange::facts() const {
    core::request_facts out;
    out.began = began_;
    out.repeatable = classified_.op->repeatable;
    out.own_credential = !passes_token_;
    const auto& fields = scratch_->request.fields;
    if (const auto n = text::parse_unsigned(fields.value(http::field_id::x_stainless_retry_count)))
        out.client_repeats = static_cast<std::uint32_t>(std::min<std::uint64_t>(*n, 1000));
    for (const auto id : {http::field_id::x_stainless_timeout, http::field_id::x_stainless_read_timeout})
        if (const auto t = core::parse_wait(fields.value(id)); t && *t > duration::zero())
            out.client_timeout = out.client_timeout ? std::min(*out.client_timeout, *t) : *t;
    return out;
}

// Performs what the machine decides until an answer is the client's.
net::task<bool> exchange::run_attempts() {
    const pool& p = the_pool();
    idle_timeout_ = p.idle_timeout;
    machine_.emplace(p.plan, p.retry, core::exchange_deadlines{p.first_byte_timeout, p.request_timeout}, facts());
    live_pool view(*snapshot_->shared, p, !passes_token_);
    const core::exchange_machine::world w{view, snapshot_->balancers[*pool_], snapshot_->budgets[*pool_],
                                          worker_.random()};
    core::action next = machine_->start(clock::now(), w);
    bool first = true;
    while (next.what == core::action::kind::send) {
        if (next.trial && !next.fresh_connection && !next.renew_credential) {
            trial_backend_ = view.claimed_backend;
            trial_instance_ = view.claimed_instance;
        }
        if (first && next.spillover) worker_.stats().spillovers.at({p.label}).add();
        first = false;
        const core::outcome o = co_await attempt(next);
        count_attempt(p, o);
        const core::effect e = machine_->on_outcome(o, w);
        apply(e);
        next = machine_->next(clock::now(), w);
        if (next.what == core::action::kind::commit) break;
        worker_.stats().count_attempt(worker_.label(classified_.op->name), p.model_label,
                                      o.status == 0 ? worker_.label(outcome_name(o)) : worker_.status_label(o.status),
                                      seconds_between(attempt_began_, clock::now()));
        end_attempt_span(o.status, o.status == 0 ? outcome_name(o) : machine_->last_reason());
        const bool same_backend = next.fresh_connection || next.renew_credential;
        if (same_backend) finish_refused();
        else settle_attempt();
        if (next.what == core::action::kind::send)
            worker_.stats().retries.at({p.label, worker_.label(machine_->last_reason())}).add();
    }
    switch (next.what) {
        case core::action::kind::commit: co_return co_await relay();
        case core::action::kind::reply: co_return co_await refuse_until(next.why, next.wait, next.should_retry);
        default: co_return lost_client();
    }
}

void exchange::count_attempt(const pool& p, const core::outcome& o) {
    auto& stats = worker_.stats();
    const auto name = outcome_name(o);
    stats.attempts.at({p.label, serving_->label, name.empty() ? worker_.status_label(o.status) : worker_.label(name)})
        .add();
    if (o.kind != core::outcome_kind::response || o.status >= 400) return;
    const double waited = seconds_between(attempt_began_, first_byte_at_);
    serving_->state->observe_latency(waited, first_byte_at_);
    stats.first_byte_seconds.at({p.label, serving_->label}).observe(waited);
}

// Tells the breakers of the backend and of its instance.
void exchange::apply(const core::effect& e) {
    const pool& p = the_pool();
    const backend& b = p.backends[e.backend];
    const instance& i = snapshot_->shared->instances[b.instance];
    const time_point now = clock::now();
    const double jitter = worker_.random().unit();
    auto& mine = b.state->breaker;
    const bool trial = trial_backend_;
    using bs = core::backend_signal;
    using is = core::instance_signal;
    switch (e.on_backend) {
        case bs::none: break;
        case bs::success:
            if (!mine.closed()) mine.change([&](core::breaker& x) { x.on_success(now, trial); });
            break;
        case bs::throttled: mine.change([&](core::breaker& x) { x.on_throttled(now, e.told, trial); }); break;
        case bs::failure: mine.change([&](core::breaker& x) { x.on_failure(now, e.told, trial, jitter); }); break;
        case bs::missing:
            mine.change([&](core::breaker& x) { x.on_misconfigured(now, trial, jitter); });
            worker_.alarm("backend " + b.name + ": the instance does not know this deployment");
            break;
    }
    if (e.on_backend != bs::none) trial_backend_ = false;
    const bool instance_trial = trial_instance_;
    switch (e.on_instance) {
        case is::none: break;
        case is::reachable:
            if (!i.state->closed()) i.state->change([&](core::breaker& x) { x.on_success(now, instance_trial); });
            break;
        case is::failure:
            i.state->change([&](core::breaker& x) { x.on_failure(now, std::nullopt, instance_trial, jitter); });
            break;
        case is::misconfigured:
            i.state->change([&](core::breaker& x) { x.on_misconfigured(now, instance_trial, jitter); });
            worker_.alarm("instance " + i.name + " refuses the gateway's credential; check credentials and roles");
            break;
    }
    if (e.on_instance != is::none) trial_instance_ = false;
}

// After an attempt, whatever became of it: the connection goes back or away, and nobody counts on us any more.
void exchange::settle_attempt() noexcept {
    finish_refused();
    if (serving_ == nullptr) return;
    const auto abandon = [](breaker_state& s, bool& trial) {
        if (trial) s.change([](core::breaker& x) { x.abandon_trial(); });
        trial = false;
    };
    abandon(serving_->state->breaker, trial_backend_);
    abandon(*snapshot_->shared->instances[serving_->instance].state, trial_instance_);
    if (counted_) serving_->state->outstanding.fetch_sub(1, std::memory_order_relaxed);
    counted_ = false;
}

void exchange::log_connect_failure(const backend& b, const std::string& detail) {
    worker_.alarm("instance " + snapshot_->shared->instances[b.instance].name + ": " + detail);
}

}  // namespace spillway::proxy
