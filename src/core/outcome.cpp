#include <spillway/core/outcome.hpp>

namespace spillway::core {
namespace {

judgement judge_status(const outcome& o, const judge_facts& facts, const retry_policy& policy) noexcept {
    using bs = backend_signal;
    using is = instance_signal;
    const auto if_repeatable = facts.repeatable ? verdict::elsewhere : verdict::commit;
    switch (o.status) {
        case 429: return {verdict::elsewhere, bs::throttled, is::reachable, false, "throttled"};
        case 408:
        case 499:
        case 500:
        case 502:
        case 503:
        case 504: return {if_repeatable, bs::failure, is::reachable, true, "server_error"};
        case 401:
        case 403:
            if (!facts.own_credential) break;
            if (facts.can_renew && !facts.renewed)
                return {verdict::repeat_renewed, bs::none, is::none, false, "credential_refused"};
            return {verdict::elsewhere, bs::none, is::misconfigured, false, "credential_refused"};
        case 409:
            if (o.has_retry_after && facts.repeatable)
                return {verdict::elsewhere, bs::success, is::reachable, false, "conflict"};
            break;
        default: break;
    }
    if ((o.status == 404 && o.deployment_not_found) || (o.status == 400 && o.fe_error))
        return {policy.on_deployment_not_found ? verdict::elsewhere : verdict::commit, bs::missing, is::reachable,
                false, "deployment_not_found"};
    // A status that nobody foresaw is the client's to see; from 500 on it is no sign of health either.
    return {verdict::commit, o.status >= 500 ? bs::failure : bs::success, is::reachable, false, {}};
}

}  // namespace

judgement judge(const outcome& o, const judge_facts& facts, const retry_policy& policy) noexcept {
    using bs = backend_signal;
    using is = instance_signal;
    // There is no answer that the client could have instead.
    const auto if_repeatable = facts.repeatable ? verdict::elsewhere : verdict::refuse;
    switch (o.kind) {
        case outcome_kind::response: return judge_status(o, facts, policy);
        case outcome_kind::connect_failed:
            return {verdict::elsewhere, bs::none, is::failure, false, "connect_failed"};
        case outcome_kind::dns_failed: return {verdict::elsewhere, bs::none, is::failure, false, "dns_failed"};
        case outcome_kind::tls_failed: return {verdict::elsewhere, bs::none, is::failure, false, "tls_failed"};
        case outcome_kind::stale_connection:
            // The server closed an idle connection while the request was on its way: says nothing about its health.
            if (!facts.repeated_fresh) return {verdict::repeat_fresh, bs::none, is::none, false, "stale_connection"};
            [[fallthrough]];
        case outcome_kind::reset_before_head:
            return {verdict::elsewhere, bs::none, is::failure, true, "reset_before_head"};
        case outcome_kind::first_byte_timeout:
            return {if_repeatable, bs::failure, is::none, true, "first_byte_timeout"};
        case outcome_kind::bad_response: return {if_repeatable, bs::failure, is::reachable, true, "bad_response"};
        case outcome_kind::stream_began_with_error:
            return {facts.repeatable ? verdict::elsewhere : verdict::commit, bs::failure, is::reachable, true,
                    "stream_began_with_error"};
        case outcome_kind::empty_answer: return {if_repeatable, bs::failure, is::reachable, true, "empty_answer"};
        case outcome_kind::suspected: return {verdict::elsewhere, bs::none, is::failure, false, "suspected"};
        case outcome_kind::local_shortage: return {verdict::refuse, bs::none, is::none, false, "local_shortage"};
        case outcome_kind::not_composed: return {verdict::elsewhere, bs::none, is::none, false, "not_composed"};
        case outcome_kind::no_credential: return {verdict::elsewhere, bs::none, is::none, false, "no_credential"};
        case outcome_kind::client_left: break;
    }
    return {verdict::give_up, bs::none, is::none, false, "client_left"};
}

}  // namespace spillway::core
