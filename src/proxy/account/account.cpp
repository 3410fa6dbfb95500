#include <algorithm>

#include <spillway/base/json_text.hpp>

#include "record.hpp"

namespace spillway::proxy {
namespace {

constexpr observer observers[] = {note_metrics, note_access_log, note_recent_error};

}  // namespace

core::ending exchange_record::ending() const noexcept {
    core::ending e;
    e.op = asked.what.op;
    e.status = sent.status();
    e.local = sent.is_local();
    e.who = sent.who();
    e.head_sent = sent.head_sent();
    e.client_left = sent.client_left();
    e.broke = sent.broke();
    e.told_error = pipe.ends_with_error();
    e.went_out = tried.went_out();
    e.text_bytes = pipe.text_bytes();
    e.streams = pipe.events() != nullptr;
    return e;
}

void note_all(const exchange_record& r) {
    for (const auto note : observers) note(r);
}

void note_metrics(const exchange_record& r) {
    auto& worker = r.at.worker;
    auto& stats = worker.stats();
    const stats::label operation = r.operation_label();
    const stats::label client = r.by.client ? r.of_client()->label : stats::label{0};
    stats.requests.at({client, r.way.pool_label(), operation, worker.status_label(r.sent.status())}).add();
    if (r.way.pool)
        stats.request_seconds.at({r.way.pool_label(), operation}).observe(seconds_between(r.asked.began, r.ended));
    stats.bytes_to_clients.add(r.sent.bytes());
}

void note_recent_error(const exchange_record& r) {
    const int status = r.sent.status();
    // Probes of load balancers would push everything else out.
    if (r.asked.is_probe || (status < 500 && status != 429 && !r.sent.broke())) return;
    recent_errors::entry e;
    e.at = wall_clock::now();
    e.status = status;
    e.code = r.sent.failure();
    if (const auto* c = r.of_client()) e.client = c->name;
    if (const auto* p = r.of_pool()) e.pool = p->name;
    if (const auto* b = r.tried.serving()) e.backend = b->name;
    e.operation = r.asked.operation_name();
    e.request_id = r.asked.id();
    r.at.worker.process().errors.add(std::move(e));
}

void append_tries(const exchange_record& r, std::string& out) {
    const auto tries = r.tried.tries();
    if (tries.empty() || (tries.size() == 1 && r.sent.status() < 400)) return;
    out += '[';
    bool first = true;
    for (const auto& t : tries) {
        out += first ? "{\"backend\":\"" : ",{\"backend\":\"";
        first = false;
        text::append_json_escaped(out, r.way.pool_of().backends[t.backend].name);
        out.append("\",\"status\":").append(std::to_string(t.status));
        if (!t.reason.empty()) out.append(",\"reason\":\"").append(t.reason).append("\"");
        out += '}';
    }
    out += ']';
}

}  // namespace spillway::proxy
