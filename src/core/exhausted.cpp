#include <algorithm>

#include <spillway/core/exchange.hpp>

// What a client hears when no backend is left.
namespace spillway::core {
namespace {

// A wait that an SDK would rather sleep through than give up.
constexpr duration patience = seconds(60);

action with_wait(action a, duration wait) {
    a.wait = wait;
    if (wait > duration::zero() && wait <= patience) a.should_retry = true;
    return a;
}

action reply(fault why, duration wait = {}) {
    action a;
    a.what = action::kind::reply;
    a.why = std::move(why);
    return with_wait(std::move(a), wait);
}

// What only the platform team can mend: a repeat brings the same answer.
action hopeless(fault why) {
    action a = reply(std::move(why));
    a.should_retry = false;
    return a;
}

action the_backends_own() {
    action a;
    a.what = action::kind::commit;
    return a;
}

fault ours(const char* code, int status, const char* message) {
    return {.code = code, .who = origin::gateway, .status = status, .message = message};
}

fault theirs(const char* code, int status, const char* message) {
    return {.code = code, .who = origin::upstream, .status = status, .message = message};
}

}  // namespace

action exchange_machine::out_of_time(time_point now, world w) {
    settle_failed(now, w);
    return reply(theirs("RequestTimeout", 504,
                        "No backend answered within the time that this request has. Allow the client more time, or "
                        "ask the platform team for pools.<name>.timeouts."));
}

action exchange_machine::exhausted(time_point now, world w) {
    settle_failed(now, w);
    const exhaustion all = look_at_all(plan_, w.view, now, facts_.where.instance);
    // Zero when one is usable and only this request's attempts are used up: the client's own back-off is right
    // then.
    const duration wait = all.earliest ? std::max(*all.earliest - now, duration::zero()) : duration::zero();
    if (all.all_throttled || (recorded_ > 0 && last_was_throttled())) return throttled_everywhere(wait);
    if (recorded_ > 0) return refused_everywhere(wait);
    return reply(theirs("NoBackendAvailable", 503,
                        "No backend for this deployment is usable at the moment. Try again after the time in "
                        "Retry-After."),
                 wait);
}

action exchange_machine::throttled_everywhere(duration wait) const {
    // All who were asked said the same, so their words are better than ours: they tell which limit it was.
    if (recorded_ > 0 && only_429_ && outcome_.kind == outcome_kind::response && outcome_.status == 429)
        return with_wait(the_backends_own(), wait);
    return reply(theirs("429", 429,
                        "Every backend for this deployment is throttled. Try again after the time in Retry-After."),
                 wait);
}

// Why the last one did not serve decides.
action exchange_machine::refused_everywhere(duration wait) const {
    const bool responded = outcome_.kind == outcome_kind::response;
    if (outcome_.kind == outcome_kind::stream_began_with_error) return the_backends_own();
    if (responded && (outcome_.status == 408 || outcome_.status == 409 || outcome_.status == 499))
        return the_backends_own();
    if (responded && outcome_.status >= 300 && outcome_.status < 400)
        return hopeless(ours("BackendRedirects", 502,
                             "The backends answer with a redirect, which this gateway does not follow and does not "
                             "pass on. Tell the platform team to check the endpoint of the instance."));
    if (outcome_.kind == outcome_kind::local_shortage)
        return reply(ours("GatewayOverloaded", 503,
                          "The gateway has run out of connections or memory for the moment. Try again after the time "
                          "in Retry-After."),
                     seconds(1));
    if (outcome_.kind == outcome_kind::not_composed)
        return hopeless(
            ours("RequestNotComposed", 500,
                 "The gateway could not write this request for its backends, so nothing was sent. A field "
                 "of the request, or the configuration of the instance, has a value that does not fit "
                 "into an HTTP head. Tell the platform team the x-request-id."));
    if (last_.instance == instance_signal::misconfigured)
        return hopeless(ours("BackendCredentialRefused", 502,
                             "The backends refuse this gateway's own credential. Your key is fine; tell the platform "
                             "team."));
    if (last_.backend == backend_signal::missing)
        return hopeless(ours("BackendDeploymentMissing", 502,
                             "The deployment that this gateway is configured to use does not exist on its backend. "
                             "Tell the platform team."));
    return reply(theirs("BackendsFailed", 503, "No backend could serve the request. Try again in a moment."), wait);
}

}  // namespace spillway::core
