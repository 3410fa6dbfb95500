#include <spillway/proxy/prober.hpp>

#include <spillway/core/error_words.hpp>
#include <spillway/core/operation.hpp>
#include <spillway/core/told_time.hpp>
#include <spillway/http/head.hpp>
#include <spillway/net/fetch.hpp>
#include <spillway/proxy/worker_tools.hpp>

namespace spillway::proxy {
namespace {

using core::failed;
using core::outcome;
using core::outcome_kind;
using core::probe_result;

constexpr std::size_t most_answer = 64 * 1024;
// Of the generation that names the deployment in the path, so that a missing one is told apart from a bad request.
constexpr std::string_view usual_version = "api-version=2024-10-21";
constexpr std::string_view question = "{}";  // no messages, so there is nothing to generate

outcome_kind kind_of(net::connect_error e) noexcept {
    switch (e) {
        case net::connect_error::none: return outcome_kind::response;
        case net::connect_error::dns: return outcome_kind::dns_failed;
        case net::connect_error::tls: return outcome_kind::tls_failed;
        case net::connect_error::interrupted: return outcome_kind::client_left;
        case net::connect_error::timed_out: return outcome_kind::first_byte_timeout;
        case net::connect_error::local: return outcome_kind::local_shortage;
        case net::connect_error::connect: break;
    }
    return outcome_kind::connect_failed;
}

outcome_kind kind_of(const fault& f) noexcept {
    if (f.code == "FetchTimeout") return outcome_kind::first_byte_timeout;
    if (f.code == "FetchInterrupted") return outcome_kind::client_left;
    return f.code == "FetchTooLarge" ? outcome_kind::bad_response : outcome_kind::reset_before_head;
}

outcome outcome_of(const net::fetched& answer) {
    outcome o;
    o.status = answer.status;
    http::response_head head;
    if (http::parse_response(answer.head, {64 * 1024, http::field_table::capacity}, false, head) !=
        http::head_error::none)
        return failed(outcome_kind::bad_response);
    using http::field_id;
    const auto& f = head.fields;
    core::throttle_fields t;
    t.retry_after = f.value(field_id::retry_after);
    t.retry_after_ms = f.value(field_id::retry_after_ms);
    t.x_ms_retry_after_ms = f.value(field_id::x_ms_retry_after_ms);
    t.date = f.value(field_id::date);
    if (o.status >= 400) o.told = core::told_time(t, o.status, wall_clock::now());
    o.fe_error = o.status == 400 && text::iequals(f.value(field_id::x_ms_fe_error), "true");
    o.deployment_not_found = o.status == 404 && core::says_deployment_not_found(core::read_error(answer.body));
    return o;
}

// Overwrites the credential that a head held.
struct cleansed_at_end {
    std::string& s;
    ~cleansed_at_end() { cleanse(s); }
};

void append_head(std::string& out, const instance& i, const backend& b, const credentials::bearer* token) {
    static const auto chat = *core::classify("POST", "/openai/deployments/any/chat/completions");
    out.reserve(16 * 1024);  // growing would leave copies of the credential behind
    out += "POST ";
    core::append_upstream_target(out, chat, i.path_prefix, b.deployment, usual_version, i.pinned_api_version, i.kind);
    out += " HTTP/1.1\r\nHost: " + i.host_field + "\r\n";
    if (token != nullptr) out.append("Authorization: ").append(token->field_value.view()).append("\r\n");
    else if (!i.auth_value.empty()) out.append(i.auth_name).append(": ").append(i.auth_value.view()).append("\r\n");
    out += "Content-Type: application/json\r\nContent-Length: " + std::to_string(question.size()) +
           "\r\nAccept-Encoding: identity\r\nUser-Agent: spillway/" SPILLWAY_VERSION "\r\nConnection: close\r\n\r\n";
}

}  // namespace

void prober::ask(const std::shared_ptr<worker_snapshot>& by, std::size_t pool, std::size_t backend) {
    const auto state = by->shared->pools[pool].backends[backend].state;
    if (stopped_) {
        state->probe.end(probe_result::none, worker_.now());
        return;
    }
    const auto at = running_.emplace(running_.end());
    net::spawn(run(by, pool, backend, *at), [this, state, at](const std::exception_ptr& failure) noexcept {
        if (failure) state->probe.end(probe_result::none, worker_.now());
        running_.erase(at);
    });
}

void prober::stop() noexcept {
    stopped_ = true;
    for (auto at = running_.begin(); at != running_.end();) (at++)->fire();
}

net::task<void> prober::run(std::shared_ptr<worker_snapshot> by, std::size_t pool_at, std::size_t backend_at,
                            net::interrupt& end) {
    const pool& p = by->shared->pools[pool_at];
    const backend& b = p.backends[backend_at];
    const auto& i = by->shared->instances[b.instance];
    const outcome o = co_await ask_backend(*by, p, b, end);
    tell(*by->shared, b, core::judge_probe(b.probe, o, i.token != nullptr || !i.auth_value.empty()), o);
}

net::task<outcome> prober::ask_backend(worker_snapshot& s, const pool& p, const backend& b, net::interrupt& end) {
    const auto& i = s.shared->instances[b.instance];
    const credentials::bearer* token = nullptr;
    if (i.token && b.probe == core::probe_kind::chat) {
        token = s.bearer_of(b.instance);
        if (token == nullptr || token->expires <= clock::now()) co_return failed(outcome_kind::no_credential);
    }
    std::string head;
    const cleansed_at_end wipe{head};
    if (b.probe == core::probe_kind::chat) append_head(head, i, b, token);
    const time_point deadline = clock::now() + p.probe.timeout;
    // A fresh connection: that one can be opened is a part of the proof.
    auto opened = co_await s.upstreams[b.instance]->acquire(true, p.probe.timeout, &end);
    if (opened.error != net::connect_error::none) co_return failed(kind_of(opened.error));
    const auto connection = std::move(opened.connection);
    outcome o;
    if (b.probe == core::probe_kind::chat) {
        const auto answer = co_await net::ask_once(*connection, head, question, most_answer, deadline, &end);
        o = answer ? outcome_of(*answer) : failed(kind_of(answer.error()));
    }
    connection->io.close(true);
    co_return o;
}

// Tells the breakers of the backend and of its instance what the probe has shown.
void prober::tell(const snapshot& s, const backend& b, const core::probe_judgement& j, const core::outcome& o) {
    const auto& i = s.instances[b.instance];
    const time_point now = clock::now();
    const double jitter = worker_.random().unit();
    const auto before = b.state->probe.facts().last;
    b.state->probe.end(j.result, now);
    worker_.stats().probes.at({b.label, worker_.label(core::to_string(j.result))}).add();
    if (j.result == probe_result::none) return;
    if (j.result != before) worker_.alarm("probe: " + b.name + " is " + std::string(core::to_string(j.result)));
    auto& mine = b.state->breaker;
    auto& theirs = *i.state;
    const auto failure_of = [jitter](core::breaker_mode why, bool proven) {
        core::failure f;
        f.why = why;
        f.proven = proven;
        f.jitter = jitter;
        return f;
    };
    if (j.instance_lives) theirs.proved(j.credential, true);
    else theirs.disproved(now, jitter);
    if (j.backend_lives) {
        // A backend that failed probes has recovered. One that never did may still fail at requests.
        mine.proved(j.credential, !core::answers_well(before) && before != probe_result::none);
    } else {
        mine.disproved(now, jitter);
    }
    if (j.backend == core::backend_signal::throttled) mine.throttled(now, o.told, false);
    if (j.backend == core::backend_signal::missing)
        mine.failed(now, failure_of(core::breaker_mode::misconfigured, true));
    // One refused probe closes no instance, as little as one request would.
    if (j.instance == core::instance_signal::failure)
        theirs.failed(now, failure_of(core::breaker_mode::unhealthy, false));
}

}  // namespace spillway::proxy
