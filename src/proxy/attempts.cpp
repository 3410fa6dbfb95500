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
    out.streams = streams_;
    out.own_credential = !passes_token_;
    out.client = client_number();
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
    machine_.emplace(p.plan, p.retry, p.breaker, p.deadlines, facts());
    live_pool view(*snapshot_->shared, p, !passes_token_);
    const core::exchange_machine::world w{view, snapshot_->balancers[*pool_], p.state->budget, p.state->evidence,
                                          worker_.random()};
    core::action next = machine_->start(clock::now(), w);
    bool first = true;
    while (next.what == core::action::kind::send) {
        if (first && next.spillover) worker_.stats().spillovers.at({p.label}).add();
        first = false;
        const core::outcome o = co_await attempt(next);
        count_attempt(p, o);
        apply(machine_->on_outcome(o, w));
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
    apply_settled();
    switch (next.what) {
        case core::action::kind::commit:
            told_wait_ = next.wait;
            told_retry_ = next.should_retry;
            co_return co_await relay();
        case core::action::kind::reply:
            // No breaker opens for what all backends say alike, so it has to be told here.
            if (next.why.status == 502 || next.why.status == 500)
                worker_.alarm("pool " + p.name + ", at last backend " + serving_->name + ": " +
                              std::string(next.why.code));
            co_return co_await refuse_until(next.why, next.wait, next.should_retry);
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
    const backend& b = the_pool().backends[e.backend];
    const instance& i = snapshot_->shared->instances[b.instance];
    const time_point now = clock::now();
    core::failure f;
    f.told = e.told;
    f.proven = e.proven;
    f.last_resort = e.last_resort;
    f.jitter = worker_.random().unit();
    apply_to_backend(e, b, f, now);
    f.told.reset();
    apply_to_instance(e, i, f, now);
}

void exchange::apply_to_backend(const core::effect& e, const backend& b, core::failure f, time_point now) {
    auto& mine = b.state->breaker;
    const bool trial = f.trial = e.ends.backend;
    using bs = core::backend_signal;
    switch (e.on_backend) {
        case bs::none:
            if (trial) mine.abandon_trial();
            return;
        case bs::served: return mine.succeeded(now, trial);
        case bs::answered: return mine.answered(now, trial);
        case bs::throttled: return mine.throttled(now, e.told, trial);
        case bs::doubt:
            if (trial) mine.doubted(now);
            return;
        case bs::failure:
            if (e.by_client && !mine.counts(client_number(), now)) return;
            if (e.began) return mine.broke_off(*e.began, now, f);
            return mine.failed(now, f);
        case bs::missing:
            f.why = core::breaker_mode::misconfigured;
            f.proven = true;
            mine.failed(now, f);
            worker_.alarm("backend " + b.name + ": the instance does not know this deployment");
            return;
    }
}

void exchange::apply_to_instance(const core::effect& e, const instance& i, core::failure f, time_point now) {
    auto& its = *i.state;
    const bool trial = f.trial = e.ends.instance;
    using is = core::instance_signal;
    switch (e.on_instance) {
        case is::none:
            if (trial) its.abandon_trial();
            return;
        case is::reachable: return its.succeeded(now, trial);
        case is::doubt:
            if (trial) its.doubted(now);
            return;
        case is::failure:
            if (!e.by_client || its.counts(client_number(), now)) return its.failed(now, f);
            if (trial) its.doubted(now);
            return;
        case is::misconfigured:
            f.why = core::breaker_mode::misconfigured;
            if (its.counts(client_number(), now)) its.failed(now, f);
            else if (trial) its.doubted(now);
            worker_.alarm("instance " + i.name + " refuses the gateway's credential; check credentials and roles");
            return;
    }
}

// What the end of the attempts has settled about those before the last.
void exchange::apply_settled() {
    while (const auto e = machine_->next_effect()) apply(*e);
}

// The client has got its whole answer: what other clients meet here is not to be blamed on the backend unseen.
void exchange::note_served() noexcept {
    if (status_ >= 300) return;
    const time_point now = worker_.now();
    serving_->state->breaker.served(client_number(), now);
    snapshot_->shared->instances[serving_->instance].state->served(client_number(), now);
}

// After an attempt, whatever became of it: the connection goes back or away, and nobody counts on us any more.
void exchange::settle_attempt() noexcept {
    finish_refused();
    if (serving_ == nullptr) return;
    if (counted_) serving_->state->outstanding.fetch_sub(1, std::memory_order_relaxed);
    counted_ = false;
}

// The exchange is over: no trial stays claimed.
void exchange::leave_attempts() noexcept {
    settle_attempt();
    if (!machine_) return;
    machine_->give_up();
    apply_settled();
}

void exchange::log_connect_failure(const backend& b, const std::string& detail) {
    worker_.alarm("instance " + snapshot_->shared->instances[b.instance].name + ": " + detail);
}

}  // namespace spillway::proxy
