#include <spillway/core/probe.hpp>

#include <algorithm>

#include <spillway/base/text.hpp>

namespace spillway::core {
namespace {

// A probe is late by a round of its loop, so attempts that wait look a little after its end.
constexpr duration grace = milliseconds(100);

bool is_azure(std::string_view host) noexcept {
    constexpr std::string_view services[]{".openai.azure.", ".cognitiveservices.azure.", ".services.ai.azure."};
    constexpr std::string_view clouds[]{"com", "us", "cn"};
    if (host.ends_with('.')) host.remove_suffix(1);
    for (const auto service : services)
        for (const auto cloud : clouds) {
            if (host.size() <= service.size() + cloud.size()) continue;
            const auto end = host.substr(host.size() - service.size() - cloud.size());
            if (text::iequals(end.substr(0, service.size()), service) &&
                text::iequals(end.substr(service.size()), cloud))
                return true;
        }
    return false;
}

probe_judgement proof(probe_result r, bool backend, bool credential) noexcept {
    probe_judgement out;
    out.result = r;
    out.backend_lives = backend;
    out.instance_lives = true;
    out.credential = credential;
    return out;
}

probe_judgement judge_answer(const outcome& o, bool own_credential) noexcept {
    if (o.status == 429) {
        auto out = proof(probe_result::throttled, true, true);
        out.backend = backend_signal::throttled;
        return out;
    }
    if ((o.status == 404 && o.deployment_not_found) || (o.status == 400 && o.fe_error)) {
        auto out = proof(probe_result::missing, false, true);
        out.backend = backend_signal::missing;
        return out;
    }
    if (o.status == 401 || o.status == 403) {
        if (!own_credential) return proof(probe_result::proven, true, false);
        probe_judgement out;
        out.result = probe_result::refused;
        out.instance = instance_signal::misconfigured;
        return out;
    }
    if (o.status >= 500 || o.status == 408 || (o.status >= 300 && o.status < 400))
        return proof(probe_result::failing, false, false);
    // A path that the server does not know proves that it lives, and no more.
    return proof(probe_result::proven, true, o.status != 404 && o.status != 405);
}

}  // namespace

probe_kind kind_of(config::probe_how how, std::string_view host) noexcept {
    switch (how) {
        case config::probe_how::automatic: return is_azure(host) ? probe_kind::chat : probe_kind::connection;
        case config::probe_how::chat: return probe_kind::chat;
        case config::probe_how::connection: return probe_kind::connection;
        case config::probe_how::none: break;
    }
    return probe_kind::none;
}

std::string_view to_string(probe_result r) noexcept {
    switch (r) {
        case probe_result::none: return "none";
        case probe_result::proven: return "proven";
        case probe_result::throttled: return "throttled";
        case probe_result::failing: return "failing";
        case probe_result::missing: return "missing";
        case probe_result::refused: return "refused";
        case probe_result::unreachable: return "unreachable";
        case probe_result::silent: return "silent";
    }
    return "";
}

bool answers_well(probe_result r) noexcept { return r == probe_result::proven || r == probe_result::throttled; }

probe_judgement judge_probe(probe_kind asked, const outcome& o, bool own_credential) noexcept {
    probe_judgement out;
    const auto dead = [&](probe_result r) {
        out.result = r;
        out.instance = instance_signal::failure;
        return out;
    };
    switch (o.kind) {
        case outcome_kind::response:
            if (asked == probe_kind::chat) return judge_answer(o, own_credential);
            return proof(probe_result::proven, true, false);
        case outcome_kind::connect_failed:
        case outcome_kind::dns_failed:
        case outcome_kind::tls_failed:
        case outcome_kind::reset_before_head:
        case outcome_kind::stale_connection:
        case outcome_kind::bad_response: return dead(probe_result::unreachable);
        case outcome_kind::first_byte_timeout:
        case outcome_kind::suspected: return dead(probe_result::silent);
        default: return out;
    }
}

bool may_ask(const probe_facts& f, time_point now, const probe_policy& p) noexcept {
    if (f.asked == time_point{}) return true;
    if (f.running && now - f.asked < p.timeout + seconds(1)) return false;
    return now - f.asked >= p.interval;
}

bool probe_watch::is_due(const availability& a, time_point now, const probe_policy& p) noexcept {
    const bool open = a.mode == breaker_mode::unhealthy || a.mode == breaker_mode::misconfigured;
    if (!open && a.mode != breaker_mode::half_open) {
        quiet_since_ = time_point{};
        return false;
    }
    // The clock makes an open breaker half-open without news; whatever opens it anew, or for longer, is news.
    if (quiet_since_ == time_point{} || (open && a.until != until_)) quiet_since_ = now;
    if (open) until_ = a.until;
    // A request is the trial, and will tell.
    if (a.mode == breaker_mode::half_open && !a.usable) quiet_since_ = now;
    return now - quiet_since_ >= p.interval;
}

suspicion suspect(const probe_facts& f, time_point waits_since, time_point now, duration after,
                  const probe_policy& p) noexcept {
    using step = suspicion::step;
    if (f.running && now - f.asked < p.timeout + seconds(1)) return {step::wait, f.asked + p.timeout + grace};
    const bool dead = f.last == probe_result::silent || f.last == probe_result::unreachable;
    if (dead && f.ended > waits_since) return {step::leave, now};
    if (may_ask(f, now, p)) return {step::ask, now + p.timeout + grace};
    // It has just answered a probe; that holds for a while.
    return {step::wait, std::max(f.asked + std::max(after, p.interval), now + grace)};
}

duration suspect_after(const probe_policy& p, double first_byte_p99) noexcept {
    constexpr double longest = 24 * 3600;
    const std::chrono::duration<double> usual(std::clamp(3 * first_byte_p99, 0.0, longest));
    return std::max(p.suspect, std::chrono::duration_cast<duration>(usual));
}

}  // namespace spillway::core
