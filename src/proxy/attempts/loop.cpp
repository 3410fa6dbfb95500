#include <spillway/base/text.hpp>
#include <spillway/core/told_time.hpp>

#include "../pool/live_pool.hpp"
#include "attempts.hpp"

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

attempts::attempts(const setting& at, const request& asked, request_body& upload, const caller& by, const plan& way,
                   answer_pipe& pipe, attempt_observer& observer) noexcept
    : at_(at),
      asked_(asked),
      upload_(upload),
      by_(by),
      plan_(way),
      pipe_(pipe),
      observer_(observer),
      out_(at, asked, way),
      credential_(at, asked, way),
      front_(asked, pipe) {}

attempts::~attempts() {
    drop_connection();
    leave();
}

core::request_facts attempts::facts() const {
    core::request_facts out;
    out.began = asked_.began;
    out.repeatable = asked_.what.op->repeatable;
    out.streams = asked_.terms.streams;
    out.own_credential = !plan_.passes_token;
    out.client = client_number();
    out.affinity = core::affinity_of(client_number(), asked_.marks().user);
    out.once = upload_.passes();
    out.where = plan_.placement_of(asked_, by_);
    const auto& fields = asked_.fields();
    if (const auto n = text::parse_unsigned(fields.value(http::field_id::x_stainless_retry_count)))
        out.client_repeats = static_cast<std::uint32_t>(std::min<std::uint64_t>(*n, 1000));
    for (const auto id : {http::field_id::x_stainless_timeout, http::field_id::x_stainless_read_timeout})
        if (const auto t = core::parse_wait(fields.value(id)); t && *t > duration::zero())
            out.client_timeout = out.client_timeout ? std::min(*out.client_timeout, *t) : *t;
    return out;
}

net::task<core::action> attempts::run() {
    const pool& p = pool_of();
    machine_.emplace(p.plan, p.retry, p.breaker, p.deadlines, facts());
    live_pool view(at_.config(), p, !plan_.passes_token);
    const core::exchange_machine::world w{view, at_.snapshot->balancers[*plan_.pool], p.state->budget,
                                          p.state->evidence, at_.worker.random()};
    core::action next = machine_->start(clock::now(), w);
    if (next.what == core::action::kind::send && next.spillover) at_.worker.stats().spillovers.at({p.label}).add();
    while (next.what == core::action::kind::send) {
        const core::outcome o = co_await attempt(next);
        note_attempt(o);
        apply(machine_->on_outcome(o, w));
        next = machine_->next(clock::now(), w);
        if (next.what == core::action::kind::commit) break;
        note_failed_attempt(o);
        const bool same_backend = next.fresh_connection || next.renew_credential;
        if (same_backend) give_back(!front_.surplus());
        else settle_attempt();
        if (next.what == core::action::kind::send)
            at_.worker.stats().retries.at({p.label, at_.worker.label(machine_->last_reason())}).add();
    }
    apply_settled();
    // No breaker opens for what all backends say alike, so it has to be told here.
    if (next.what == core::action::kind::reply && (next.why.status == 502 || next.why.status == 500))
        at_.worker.alarm("pool " + p.name + ", at last backend " + serving_->name + ": " +
                         std::string(next.why.code));
    co_return next;
}

void attempts::note_attempt(const core::outcome& o) {
    auto& stats = at_.worker.stats();
    const stats::label pool = pool_of().label;
    const auto name = outcome_name(o);
    stats.attempts
        .at({pool, serving_->label, name.empty() ? at_.worker.status_label(o.status) : at_.worker.label(name)})
        .add();
    if (o.kind != core::outcome_kind::response || o.status >= 400) return;
    const double waited = seconds_between(began_, first_byte_at_);
    serving_->state->observe_latency(waited, first_byte_at_);
    stats.first_byte_seconds.at({pool, serving_->label}).observe(waited);
}

// The last one's is noted when the answer has ended.
void attempts::note_failed_attempt(const core::outcome& o) {
    auto& worker = at_.worker;
    const auto name = outcome_name(o);
    worker.stats().count_attempt(worker.label(asked_.what.op->name), pool_of().model_label,
                                 o.status == 0 ? worker.label(name) : worker.status_label(o.status),
                                 seconds_between(began_, clock::now()));
    observer_.end_attempt({.on = serving_,
                           .number = count_,
                           .status = o.status,
                           .error = o.status == 0 ? name : machine_->last_reason(),
                           .began = began_,
                           .first_byte_at = first_byte_at_});
}

std::span<const core::attempt_record> attempts::tries() const noexcept {
    return machine_ ? machine_->tries() : std::span<const core::attempt_record>{};
}

// Tells the breakers of the backend and of its instance.
void attempts::apply(const core::effect& e) {
    const backend& b = pool_of().backends[e.backend];
    const instance& i = at_.config().instances[b.instance];
    const time_point now = clock::now();
    core::failure f;
    f.told = e.told;
    f.proven = e.proven;
    f.last_resort = e.last_resort;
    f.jitter = at_.worker.random().unit();
    apply_to_backend(e, b, f, now);
    f.told.reset();
    apply_to_instance(e, i, f, now);
}

void attempts::apply_to_backend(const core::effect& e, const backend& b, core::failure f, time_point now) {
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
            at_.worker.alarm("backend " + b.name + ": the instance does not know this deployment");
            return;
    }
}

void attempts::apply_to_instance(const core::effect& e, const instance& i, core::failure f, time_point now) {
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
            at_.worker.alarm("instance " + i.name + " refuses the gateway's credential; check credentials and roles");
            return;
    }
}

// What the end of the attempts has settled about those before the last.
void attempts::apply_settled() {
    while (const auto e = machine_->next_effect()) apply(*e);
}

void attempts::finish(bool in_step, bool served) noexcept {
    give_back(in_step);
    if (!served) return;
    // The client has got its whole answer: what other clients meet here is not to be blamed on the backend unseen.
    const time_point now = at_.worker.now();
    serving_->state->breaker.served(client_number(), now);
    instance_of(*serving_).state->served(client_number(), now);
}

void attempts::broke_off() {
    drop_connection();
    apply(machine_->on_broken());
}

void attempts::drop_connection() noexcept {
    if (!connection_) return;
    connection_->io.abort();
    connection_.reset();
}

void attempts::give_back(bool in_step) noexcept {
    if (!connection_) return;
    const auto& body = pipe_.body();
    const bool reusable = in_step && front_.keeps_connection() && body.done() &&
                          body.kind() != http::body_kind::until_close && !connection_->io.buffered();
    at_.snapshot->upstreams[serving_->instance]->release(std::move(connection_), reusable);
}

// After an attempt, whatever became of it: the connection goes back or away, and `outstanding` is one less.
void attempts::settle_attempt() noexcept {
    give_back(!front_.surplus());
    if (serving_ == nullptr) return;
    if (counted_) serving_->state->outstanding.fetch_sub(1, std::memory_order_relaxed);
    counted_ = false;
}

void attempts::leave() noexcept {
    settle_attempt();
    if (!machine_) return;
    machine_->give_up();
    apply_settled();
}

}  // namespace spillway::proxy
