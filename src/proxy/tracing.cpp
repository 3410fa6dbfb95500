#include <spillway/proxy/exchange.hpp>
#include <spillway/trace/request_spans.hpp>

// Spans of a request and of its attempts. Only a request that is sampled costs anything here.
namespace spillway::proxy {

void exchange::begin_trace() {
    const auto& shared = *snapshot_->shared;
    const auto brought = trace::parse_traceparent(scratch_->request.fields.value(http::field_id::traceparent));
    const auto context = trace::decide(brought, shared.tracing, worker_.random());
    if (!context.sampled) return;
    usage_.trace = std::make_unique<request_trace>();
    usage_.trace->of = context;
    usage_.trace->server = trace::make_span_id(worker_.random());
}

void exchange::begin_attempt_span() {
    if (!usage_.trace) return;
    usage_.trace->attempt = trace::make_span_id(worker_.random());
    usage_.trace->attempt_began = wall_clock::now();
}

void exchange::end_attempt_span(int status, std::string_view error) {
    if (!usage_.trace || serving_ == nullptr || usage_.trace->attempt == trace::span_id{}) return;
    auto& t = *usage_.trace;
    const auto& i = snapshot_->shared->instances[serving_->instance];
    trace::attempt_facts f;
    f.trace_id = t.of.trace_id;
    f.span_id = t.attempt;
    f.parent_id = t.server;
    f.begin = t.attempt_began;
    f.end = wall_clock::now();
    f.operation = classified_.op;
    f.request_model = the_pool().model;
    f.deployment = serving_->deployment;
    f.pool = the_pool().name;
    f.backend = serving_->name;
    f.region = i.region;
    f.of_azure = i.kind == config::instance_kind::azure;
    f.server_address = i.to.host;
    f.server_port = i.to.port;
    f.status = status;
    f.error = error;
    f.streaming = streams_;
    f.resend_count = attempts_ > 0 ? attempts_ - 1 : 0;
    if (progress_ != progress::nothing) {
        f.tokens = usage_.recorded.tokens;
        f.source = usage_.recorded.source;
        if (events_) f.response_model = events_->usage().model();
        else if (usage_.tap) f.response_model = usage_.tap->model();
    }
    if (first_byte_at_ > attempt_began_) f.first_byte = first_byte_at_ - attempt_began_;
    t.finished.push_back(trace::attempt_span(f));
    t.attempt = {};
}

void exchange::end_trace() {
    if (!usage_.trace) return;
    end_attempt_span(status_, broken_why_);
    const auto& shared = *snapshot_->shared;
    auto& t = *usage_.trace;
    trace::server_facts f;
    f.trace_id = t.of.trace_id;
    f.span_id = t.server;
    f.parent_id = t.of.parent_id;
    f.begin = usage_.began_wall;
    f.end = wall_clock::now();
    f.method = method_;
    f.operation = classified_.op;
    f.tls = session_.from().tls != nullptr;
    f.server_port = session_.from().at.port();
    f.status = status_;
    f.error = failure_word();
    f.streaming = streams_;
    f.client_left = client_left_;
    if (client_) f.client = shared.clients[*client_].name;
    if (route_) f.route = shared.route_names[*route_];
    if (pool_) {
        f.pool = the_pool().name;
        f.model = the_pool().model;
    }
    if (serving_ != nullptr && reply_code_.empty()) f.backend = serving_->name;
    f.attempts = attempts_;
    if (usage_.recorded.id != core::record_id{}) f.record = &usage_.recorded.id;
    t.finished.push_back(trace::server_span(f));
    shared.tracer->add(std::move(t.finished));
    usage_.trace.reset();
}

}  // namespace spillway::proxy
