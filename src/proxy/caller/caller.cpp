#include <algorithm>

#include <spillway/base/text.hpp>
#include <spillway/core/identity.hpp>

#include "caller.hpp"

namespace spillway::proxy {
namespace {

fault refusal(std::string_view code, int status, std::string message) {
    return {.code = code, .who = origin::client, .status = status, .message = std::move(message)};
}

fault unauthorized(std::string message) { return refusal("401", 401, std::move(message)); }

}  // namespace

maybe_fault caller::check_door(const request& asked) {
    const auto& l = at_.door();
    const auto is_in = [&](const std::vector<net::network>& all) {
        return std::any_of(all.begin(), all.end(),
                           [&](const net::network& n) { return n.contains(at_.connection.peer()); });
    };
    if (!l.allow.empty() && !is_in(l.allow)) {
        refused = "address";
        return refusal("AddressNotAllowed", 403,
                       "This address may not use the gateway. Connect from a network that is allowed.");
    }
    const auto& doors = l.from->front_door.ids;
    if (doors.empty()) return std::nullopt;
    const auto& fields = asked.fields();
    const auto id = fields.value(http::field_id::x_azure_fdid);
    const bool known =
        std::any_of(doors.begin(), doors.end(), [&](const std::string& f) { return text::iequals(f, id); });
    if (known && fields.count(http::field_id::x_azure_fdid) == 1 &&
        (l.trusted_proxies.empty() || is_in(l.trusted_proxies)))
        return std::nullopt;
    refused = "front_door";
    return refusal("FrontDoorRequired", 403,
                   "This gateway is reached through its Front Door alone. Use the public endpoint.");
}

maybe_fault caller::identify(const request& asked) {
    const auto& shared = at_.config();
    const auto& fields = asked.fields();
    if (fields.count(http::field_id::authorization) > 1)
        return bad_request("The request carries Authorization twice. Send it once.");
    const auto given = core::find_key(fields);
    if (given.ambiguous)
        return bad_request(
            "The request carries different keys in several headers. Send one of api-key, "
            "Authorization: Bearer and Ocp-Apim-Subscription-Key.");
    // Fast path: the token of this connection's last request comes again; comparing costs less than a look-up.
    if (const auto& last = at_.connection.last_token();
        given.as_bearer && last && last->holds(shared.generation, wall_clock::now()) && last->is(given.value)) {
        return take_token(*last);
    }
    if (given.as_bearer && !shared.providers.empty() && core::looks_like_token(given.value))
        return identify_by_token(given.value);
    method = given.value.empty() ? "none" : "key";
    const wall_time now = wall_clock::now();
    if (!given.value.empty() && given.value.size() <= core::longest_key) {
        auto f = identify_by_key(given.value, now);
        if (f || client) return f;
    }
    // SDKs send some key in any case; a known certificate outweighs an unknown key.
    if (!shared.certificates.empty() && identify_by_certificate(asked, now)) return std::nullopt;
    if (refused.empty()) refused = given.value.empty() ? "missing" : "key_unknown";
    return unauthorized(
        given.value.empty()
            ? "The request carries no key. Send the gateway key that you were given as `api-key` or as "
              "`Authorization: Bearer`."
            : "This gateway does not know the key. Check that it is the gateway's key, not one of an "
              "Azure resource, and that it has not been replaced.");
}

// Nothing and no client: the key is unknown.
maybe_fault caller::identify_by_key(std::string_view key, wall_time now) {
    const auto& shared = at_.config();
    const auto found = shared.keys.find(at_.worker.sha256(key), now);
    switch (found.state) {
        case core::key_state::valid:
            client = found.client;
            key_label = shared.key_labels[found.key];
            return std::nullopt;
        case core::key_state::expired:
            refused = "key_expired";
            return unauthorized("The key has expired. Ask the platform team for its successor.");
        case core::key_state::not_yet:
            refused = "key_not_yet";
            return unauthorized("The key is not valid yet. Use the present one.");
        case core::key_state::unknown: break;
    }
    return std::nullopt;
}

// The worker's cache is asked first; only then the signature is checked.
maybe_fault caller::identify_by_token(std::string_view token) {
    const auto& shared = at_.config();
    method = "token";
    const wall_time now = wall_clock::now();
    auto& last = at_.connection.last_token();
    const auto digest = at_.worker.sha256(token);
    if (auto known = at_.worker.tokens().find(digest)) {
        if (known->holds(shared.generation, now)) {
            last = std::move(known);
            return take_token(*last);
        }
        at_.worker.tokens().forget(digest);
    }
    const auto verified = identity::verify_token(token, shared.providers, now);
    if (verified.signature_checked) at_.worker.stats().tokens_verified.add();
    using core::token_error;
    // A signature that the key of its id did not make may be of another key that has this id now.
    if (verified.error == token_error::unknown_key || verified.error == token_error::signature ||
        verified.error == token_error::keys_missing) {
        waits_for_keys_ = verified.provider;
        refused = core::to_string(verified.error);
    }
    if (verified.error != token_error::none) return token_refusal(verified.error);
    const auto found = shared.token_rules.find(verified.claims, verified.provider);
    if (!found) {
        refused = "token_no_client";
        return unauthorized(
            "The token is good, but no client of this gateway is configured for its application, roles or groups. "
            "Ask the platform team.");
    }
    auto known = std::make_shared<known_token>();
    known->text = secret_text(std::string(token));
    known->client = *found;
    known->passthrough_only = verified.passthrough_only;
    known->generation = shared.generation;
    known->provider = shared.providers[verified.provider].source;
    known->version = verified.version;
    known->believed_until = verified.believed_until;
    last = known;
    at_.worker.tokens().add(digest, std::move(known));
    return take_token(*last);
}

maybe_fault caller::take_token(const known_token& known) noexcept {
    method = "token";
    client = known.client;
    passthrough_only = known.passthrough_only;
    return std::nullopt;
}

fault caller::token_refusal(core::token_error e) {
    refused = core::to_string(e);
    if (e == core::token_error::keys_missing) {
        fault f = refusal("TokenKeysUnavailable", 503, std::string(core::describe(e)));
        f.who = origin::gateway;
        return f;
    }
    return unauthorized(std::string(core::describe(e)));
}

net::task<maybe_fault> caller::take_time(const request& asked, fault why) {
    maybe_fault f(std::move(why));
    if (waits_for_keys_) f = co_await identify_with_fresh_keys(asked, std::move(*f));
    count();
    if (f && f->status == 401) co_await slow_down(asked);
    co_return f;
}

// An unknown key id may be a new one, and a known id may have a new key: the provider's keys are read again,
// by one thread for all, and the token is looked at once more. A rollover of keys costs its first requests a moment,
// but no error.
net::task<maybe_fault> caller::identify_with_fresh_keys(const request& asked, fault why) {
    auto& provider = *at_.config().providers[*std::exchange(waits_for_keys_, std::nullopt)].source;
    if (!provider.ask_for_keys(at_.worker.now())) co_return std::optional<fault>(std::move(why));
    const time_point until = at_.worker.now() + seconds(5);
    while (provider.refreshing() && at_.worker.now() < until && !at_.left().fired())
        co_await at_.worker.answers().wait(until, &at_.left());
    co_return identify(asked);
}

bool caller::identify_by_certificate(const request& asked, wall_time now) {
    const auto& shared = at_.config();
    const auto& l = at_.door();
    std::optional<core::certificate_claims> forwarded;
    const core::certificate_claims* claims = at_.connection.certificate();
    if (claims == nullptr && !l.from->forwarded_certificate.header.empty()) {
        const bool trusted = std::any_of(l.trusted_proxies.begin(), l.trusted_proxies.end(),
                                         [&](const net::network& n) { return n.contains(at_.connection.peer()); });
        const auto& fields = asked.fields();
        const auto of_name = [&](const http::field& f) {
            return text::iequals(f.name, l.from->forwarded_certificate.header);
        };
        if (trusted && std::count_if(fields.begin(), fields.end(), of_name) == 1)
            forwarded = identity::read_forwarded_certificate(fields.find(l.from->forwarded_certificate.header)->value,
                                                             l.certificate_trust);
        if (forwarded) claims = &*forwarded;
    }
    if (claims == nullptr) return false;
    method = "certificate";
    client = shared.certificates.find(*claims, now);
    if (!client) refused = "certificate_unknown";
    return client.has_value();
}

void caller::count() {
    auto& stats = at_.worker.stats();
    const auto result = client ? std::string_view("ok") : refused;
    stats.authentications.at({at_.worker.label(method), at_.worker.label(result)}).add();
}

// Guessing costs time: the address's failures make its refusals wait.
net::task<void> caller::slow_down(const request& asked) {
    const auto& how = at_.config().tree->slow_down;
    const auto told = net::address::parse_forwarded(asked.client_address);
    const auto part = core::customer_part(told ? told->bytes() : at_.connection.peer().bytes());
    const duration wait = at_.worker.failures().on_failure(part, how, at_.worker.now());
    if (wait <= duration::zero()) co_return;
    at_.worker.stats().slowed_down.add();
    co_await net::sleep_until(at_.worker.loop(), at_.worker.now() + wait, &at_.left());
}

}  // namespace spillway::proxy
