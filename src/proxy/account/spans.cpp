#include "spans.hpp"

#include <spillway/trace/request_spans.hpp>
#include <spillway/trace/sampling.hpp>

#include "record.hpp"

namespace spillway::proxy {

void request_spans::begin() {
    const auto& shared = at_.config();
    const auto brought = trace::parse_traceparent(asked_.fields().value(http::field_id::traceparent));
    const auto context = trace::decide(brought, shared.tracing, at_.worker.random());
    if (!context.sampled) return;
    traced_ = std::make_unique<traced>();
    traced_->of = context;
    traced_->server = trace::make_span_id(at_.worker.random());
}

void request_spans::begin_attempt() {
    if (!traced_) return;
    traced_->attempt = trace::make_span_id(at_.worker.random());
    traced_->attempt_began = wall_clock::now();
}

std::string_view request_spans::traceparent() noexcept {
    if (!traced_) return {};
    traced_->parent = trace::format_traceparent(traced_->of.trace_id, traced_->attempt, true, traced_->of.random);
    return {traced_->parent.data(), traced_->parent.size()};
}

void request_spans::end_attempt(const attempt_end& e) {
    if (!traced_ || e.on == nullptr || traced_->attempt == trace::span_id{}) return;
    auto& t = *traced_;
    const auto& i = at_.config().instances[e.on->instance];
    trace::attempt_facts f;
    f.trace_id = t.of.trace_id;
    f.span_id = t.attempt;
    f.parent_id = t.server;
    f.begin = t.attempt_began;
    f.end = wall_clock::now();
    f.operation = asked_.what.op;
    f.request_model = plan_.pool_of().model;
    f.deployment = e.on->deployment;
    f.pool = plan_.pool_of().name;
    f.backend = e.on->name;
    f.region = i.region;
    f.of_azure = i.kind == config::instance_kind::azure;
    f.server_address = i.to.host;
    f.server_port = i.to.port;
    f.status = e.status;
    f.error = e.error;
    f.streaming = asked_.terms.streams;
    f.resend_count = e.number > 0 ? e.number - 1 : 0;
    f.tokens = e.tokens;
    f.source = e.source;
    f.response_model = e.response_model;
    if (e.first_byte_at > e.began) f.first_byte = e.first_byte_at - e.began;
    t.finished.push_back(trace::attempt_span(f));
    t.attempt = {};
}

void request_spans::end(const exchange_record& r) {
    if (!traced_) return;
    attempt_end last{.on = r.tried.serving(),
                     .number = r.tried.count(),
                     .status = r.sent.status(),
                     .error = r.sent.broken_why(),
                     .began = r.tried.began(),
                     .first_byte_at = r.tried.first_byte_at()};
    if (r.sent.begun()) {
        last.tokens = r.tokens;
        last.source = r.source;
        last.response_model = r.pipe.model();
    }
    end_attempt(last);
    auto& t = *traced_;
    trace::server_facts f;
    f.trace_id = t.of.trace_id;
    f.span_id = t.server;
    f.parent_id = t.of.parent_id;
    f.begin = asked_.began_wall;
    f.end = wall_clock::now();
    f.method = asked_.method;
    f.operation = asked_.what.op;
    f.tls = at_.door().tls != nullptr;
    f.server_port = at_.door().at.port();
    f.status = r.sent.status();
    f.error = r.sent.failure();
    f.streaming = asked_.terms.streams;
    f.client_left = r.sent.client_left();
    if (const auto* c = r.of_client()) f.client = c->name;
    f.route = r.route_name();
    if (const auto* p = r.of_pool()) {
        f.pool = p->name;
        f.model = p->model;
    }
    if (const auto* b = r.served_by()) f.backend = b->name;
    f.attempts = r.tried.count();
    if (r.id != core::record_id{}) f.record = &r.id;
    t.finished.push_back(trace::server_span(f));
    at_.config().tracer->add(std::move(t.finished));
    traced_.reset();
}

}  // namespace spillway::proxy
