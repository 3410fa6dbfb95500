#include <spillway/core/outcome.hpp>

namespace spillway::core {
namespace {

using bs = backend_signal;
using is = instance_signal;

judgement throttled() noexcept {
    return {.verdict = verdict::elsewhere,
            .backend = bs::throttled,
            .instance = is::reachable,
            .free = true,
            .reason = "throttled"};
}

// The backend took the request and did not serve it. Another one has to do better before that counts; only a wait
// that it asked for itself is kept at once.
judgement failed(verdict v, const outcome& o, std::string_view reason) noexcept {
    return {.verdict = v,
            .backend = bs::failure,
            .instance = o.kind == outcome_kind::first_byte_timeout ? is::none : is::reachable,
            .settled_later = !o.told,
            .spends_budget = true,
            .reason = reason};
}

// No backend worked on the request: it costs nothing to ask elsewhere.
judgement unreachable(std::string_view reason) noexcept {
    return {.verdict = verdict::elsewhere, .instance = is::failure, .free = true, .reason = reason};
}

judgement answered() noexcept { return {.backend = bs::answered, .instance = is::reachable}; }

judgement refused_credential(const outcome& o, const judge_facts& facts) noexcept {
    // What the client's own token may do is between the two of them.
    if (!facts.own_credential) return answered();
    const bool worth_renewing = o.status == 401 || o.about_credential;
    if (worth_renewing && facts.can_renew && !facts.renewed)
        return {.verdict = verdict::repeat_renewed, .reason = "credential_refused"};
    return {.verdict = verdict::elsewhere,
            .instance = is::misconfigured,
            .settled_later = true,
            .reason = "credential_refused"};
}

bool is_server_error(int status) noexcept {
    switch (status) {
        case 408:
        case 499:
        case 500:
        case 502:
        case 503:
        case 504: return true;
        default: return status >= 520 && status <= 530;  // of edges in front of a backend
    }
}

judgement judge_status(const outcome& o, const judge_facts& facts, const retry_policy& policy) noexcept {
    const auto if_repeatable = facts.repeatable ? verdict::elsewhere : verdict::commit;
    if (o.status == 429) return throttled();
    if (is_server_error(o.status)) return failed(if_repeatable, o, "server_error");
    if (o.status == 401 || o.status == 403) return refused_credential(o, facts);
    if (o.status >= 300 && o.status < 400)
        // Following it would carry prompt and credential to where no route leads.
        return {.verdict = verdict::elsewhere,
                .backend = bs::failure,
                .instance = is::reachable,
                .settled_later = true,
                .reason = "redirected"};
    if (o.status == 409 && o.has_retry_after && facts.repeatable)
        return {
            .verdict = verdict::elsewhere, .backend = bs::answered, .instance = is::reachable, .reason = "conflict"};
    const bool missing = (o.status == 404 && o.deployment_not_found) || (o.status == 400 && o.fe_error);
    if (missing && policy.on_deployment_not_found)
        return {.verdict = verdict::elsewhere,
                .backend = bs::missing,
                .instance = is::reachable,
                .settled_later = true,
                .reason = "deployment_not_found"};
    if (o.status >= 500) return failed(verdict::commit, o, {});
    if (o.status >= 400) return answered();
    return {.backend = bs::served, .instance = is::reachable};
}

// An event tells what a status would have told, had the head not gone out before.
judgement judge_event(const outcome& o, const judge_facts& facts) noexcept {
    const int status = o.stands_for == 0 ? 500 : o.stands_for;
    if (status == 429) return throttled();
    if (status < 500 && !is_server_error(status)) return answered();
    return failed(facts.repeatable ? verdict::elsewhere : verdict::commit, o, "stream_began_with_error");
}

}  // namespace

judgement judge(const outcome& o, const judge_facts& facts, const retry_policy& policy) noexcept {
    // There is no answer that the client could have instead.
    const auto if_repeatable = facts.repeatable ? verdict::elsewhere : verdict::refuse;
    switch (o.kind) {
        case outcome_kind::response: return judge_status(o, facts, policy);
        case outcome_kind::stream_began_with_error: return judge_event(o, facts);
        case outcome_kind::connect_failed: return unreachable("connect_failed");
        case outcome_kind::dns_failed: return unreachable("dns_failed");
        case outcome_kind::tls_failed: return unreachable("tls_failed");
        case outcome_kind::suspected: return unreachable("suspected");
        case outcome_kind::stale_connection:
            // The server closed an idle connection while the request was on its way: says nothing about its health.
            if (!facts.repeated_fresh) return {.verdict = verdict::repeat_fresh, .reason = "stale_connection"};
            [[fallthrough]];
        case outcome_kind::reset_before_head: {
            auto out = unreachable("reset_before_head");
            out.by_client = true;
            return out;
        }
        case outcome_kind::first_byte_timeout:
            // A plain answer may be paid for already; the start of a stream is not.
            return failed(facts.streams ? if_repeatable : verdict::refuse, o, "first_byte_timeout");
        case outcome_kind::bad_response: return failed(if_repeatable, o, "bad_response");
        case outcome_kind::empty_answer: return failed(if_repeatable, o, "empty_answer");
        case outcome_kind::local_shortage: return {.verdict = verdict::refuse, .reason = "local_shortage"};
        case outcome_kind::not_composed:
            return {.verdict = verdict::elsewhere, .free = true, .reason = "not_composed"};
        case outcome_kind::no_credential:
            return {.verdict = verdict::elsewhere, .free = true, .reason = "no_credential"};
        case outcome_kind::client_left: break;
    }
    return {.verdict = verdict::give_up, .reason = "client_left"};
}

}  // namespace spillway::core
