#include <openssl/ssl.h>

#include <algorithm>

#include <spillway/proxy/exchange.hpp>

// Who is calling: the lock of the listener, then token, key or certificate, in this order.
namespace spillway::proxy {
namespace {

fault refused(std::string_view code, int status, std::string message) {
    return {.code = code, .who = origin::client, .status = status, .message = std::move(message)};
}

fault unauthorized(std::string message) { return refused("401", 401, std::move(message)); }

}  // namespace

// Front headers count from nobody but the front: a listener that knows its proxies believes no other peer.
exchange::maybe_fault exchange::check_door() {
    const auto& l = session_.from();
    const auto is_in = [&](const std::vector<net::network>& all) {
        return std::any_of(all.begin(), all.end(),
                           [&](const net::network& n) { return n.contains(session_.peer()); });
    };
    if (!l.allow.empty() && !is_in(l.allow)) {
        auth_result_ = "address";
        return refused("AddressNotAllowed", 403,
                       "This address may not use the gateway. Connect from a network that is allowed.");
    }
    if (l.front_doors.empty()) return std::nullopt;
    const auto& fields = scratch_->request.fields;
    const auto id = fields.value(http::field_id::x_azure_fdid);
    const bool known = std::any_of(l.front_doors.begin(), l.front_doors.end(),
                                   [&](const std::string& f) { return text::iequals(f, id); });
    if (known && fields.count(http::field_id::x_azure_fdid) == 1 &&
        (l.trusted_proxies.empty() || is_in(l.trusted_proxies)))
        return std::nullopt;
    auth_result_ = "front_door";
    return refused("FrontDoorRequired", 403,
                   "This gateway is reached through its Front Door alone. Use the public endpoint.");
}

exchange::maybe_fault exchange::identify() {
    const auto& shared = *snapshot_->shared;
    const auto& fields = scratch_->request.fields;
    if (fields.count(http::field_id::authorization) > 1)
        return bad_request("The request carries Authorization twice. Send it once.");
    const auto given = core::find_key(fields);
    if (given.ambiguous)
        return bad_request(
            "The request carries different keys in several headers. Send one of api-key, "
            "Authorization: Bearer and Ocp-Apim-Subscription-Key.");
    // A connection brings the same token again and again: comparing costs less than looking at it in any other way.
    if (const auto& last = session_.last_token();
        given.as_bearer && last && last->holds(shared.generation, wall_clock::now()) && last->is(given.value)) {
        return take_token(*last);
    }
    if (given.as_bearer && !shared.providers.empty() && core::looks_like_token(given.value))
        return identify_by_token(given.value);
    auth_method_ = given.value.empty() ? "none" : "key";
    const wall_time now = wall_clock::now();
    if (!given.value.empty() && given.value.size() <= core::longest_key) {
        const auto found = shared.keys.find(worker_.sha256(given.value), now);
        switch (found.state) {
            case core::key_state::valid:
                client_ = found.client;
                auth_label_ = shared.key_labels[found.key];
                return std::nullopt;
            case core::key_state::expired:
                auth_result_ = "key_expired";
                return unauthorized("The key has expired. Ask the platform team for its successor.");
            case core::key_state::not_yet:
                auth_result_ = "key_not_yet";
                return unauthorized("The key is not valid yet. Use the present one.");
            case core::key_state::unknown: break;
        }
    }
    // SDKs send some key in any case; a certificate that we know outweighs a key that nobody knows.
    if (!shared.certificates.empty() && identify_by_certificate(now)) return std::nullopt;
    if (auth_result_.empty()) auth_result_ = given.value.empty() ? "missing" : "key_unknown";
    return unauthorized(
        given.value.empty()
            ? "The request carries no key. Send the gateway key that you were given as `api-key` or as "
              "`Authorization: Bearer`."
            : "This gateway does not know the key. Check that it is the gateway's key, not one of an "
              "Azure resource, and that it has not been replaced.");
}

// The worker's cache is asked first; only then the signature is checked.
exchange::maybe_fault exchange::identify_by_token(std::string_view token) {
    const auto& shared = *snapshot_->shared;
    auth_method_ = "token";
    const wall_time now = wall_clock::now();
    auto& last = session_.last_token();
    const auto digest = worker_.sha256(token);
    if (auto known = worker_.tokens().find(digest)) {
        if (known->holds(shared.generation, now)) {
            last = std::move(known);
            return take_token(*last);
        }
        worker_.tokens().forget(digest);
    }
    const auto verified = identity::verify_token(token, shared.providers, now);
    if (verified.signature_checked) worker_.stats().tokens_verified.add();
    using core::token_error;
    // A signature that the key of its id did not make may be of another key that has this id now.
    if (verified.error == token_error::unknown_key || verified.error == token_error::signature ||
        verified.error == token_error::keys_missing) {
        waits_for_keys_ = verified.provider;
        auth_result_ = core::to_string(verified.error);
    }
    if (verified.error != token_error::none) return token_refusal(verified.error);
    const auto client = shared.token_rules.find(verified.claims, verified.provider);
    if (!client) {
        auth_result_ = "token_no_client";
        return unauthorized(
            "The token is good, but no client of this gateway is configured for its application, roles or groups. "
            "Ask the platform team.");
    }
    auto known = std::make_shared<known_token>();
    known->text = secret_text(std::string(token));
    known->client = *client;
    known->passthrough_only = verified.passthrough_only;
    known->generation = shared.generation;
    known->provider = shared.providers[verified.provider].source;
    known->version = verified.version;
    known->believed_until = verified.believed_until;
    last = known;
    worker_.tokens().add(digest, std::move(known));
    return take_token(*last);
}

exchange::maybe_fault exchange::take_token(const known_token& known) {
    auth_method_ = "token";
    client_ = known.client;
    passthrough_only_ = known.passthrough_only;
    return std::nullopt;
}

fault exchange::token_refusal(core::token_error e) {
    auth_result_ = core::to_string(e);
    if (e == core::token_error::keys_missing) {
        fault f = refused("TokenKeysUnavailable", 503, std::string(core::describe(e)));
        f.who = origin::gateway;
        return f;
    }
    return unauthorized(std::string(core::describe(e)));
}

// A key id that nobody knows may be a new one, and a known id may have a new key: the provider's keys are read again,
// by one thread for all, and the token is looked at once more. A rollover of keys costs its first requests a moment,
// and nobody an error.
net::task<exchange::maybe_fault> exchange::identify_with_fresh_keys(fault refusal) {
    auto& provider = *snapshot_->shared->providers[*std::exchange(waits_for_keys_, std::nullopt)].source;
    if (!provider.ask_for_keys(worker_.now())) co_return std::optional<fault>(std::move(refusal));
    const time_point until = worker_.now() + seconds(5);
    while (provider.refreshing() && worker_.now() < until && !session_.left().fired())
        co_await worker_.answers().wait(until, &session_.left());
    co_return identify();
}

bool exchange::identify_by_certificate(wall_time now) {
    const auto& shared = *snapshot_->shared;
    const auto& l = session_.from();
    std::optional<core::certificate_claims> forwarded;
    const core::certificate_claims* claims = session_.certificate();
    if (claims == nullptr && !l.certificate_header.empty()) {
        const bool trusted = std::any_of(l.trusted_proxies.begin(), l.trusted_proxies.end(),
                                         [&](const net::network& n) { return n.contains(session_.peer()); });
        const auto& fields = scratch_->request.fields;
        const auto of_name = [&](const http::field& f) { return text::iequals(f.name, l.certificate_header); };
        if (trusted && std::count_if(fields.begin(), fields.end(), of_name) == 1)
            forwarded =
                identity::read_forwarded_certificate(fields.find(l.certificate_header)->value, l.certificate_trust);
        if (forwarded) claims = &*forwarded;
    }
    if (claims == nullptr) return false;
    auth_method_ = "certificate";
    client_ = shared.certificates.find(*claims, now);
    if (!client_) auth_result_ = "certificate_unknown";
    return client_.has_value();
}

void exchange::count_authentication() {
    auto& stats = worker_.stats();
    const auto result = client_ ? std::string_view("ok") : auth_result_;
    stats.authentications.at({worker_.label(auth_method_), worker_.label(result)}).add();
}

// Guessing costs time: the address's failures make its refusals wait.
net::task<void> exchange::slow_down() {
    const auto& how = snapshot_->shared->slow_down;
    const auto told = net::address::parse_forwarded(client_address_);
    const auto part = core::customer_part(told ? told->bytes() : session_.peer().bytes());
    const duration wait = worker_.failures().on_failure(part, how, worker_.now());
    if (wait <= duration::zero()) co_return;
    worker_.stats().slowed_down.add();
    co_await net::sleep_until(worker_.loop(), worker_.now() + wait, &session_.left());
}

}  // namespace spillway::proxy
