#include "identity_control.hpp"

#include <algorithm>

#include "identity_provider.hpp"

namespace spillway::sim {
namespace {

// Null takes a member away.
void override_with(json& what, const json& changes) {
    for (const auto& [name, value] : changes.items()) {
        if (value.is_null()) what.erase(name);
        else what[name] = value;
    }
}

answer wrong(const problems& found) { return error_answer(400, "InvalidIdentity", found.as_fault({}).message); }

const json& object_in(const json& body, const char* key, problems& found) {
    static const json none = json::object();
    const json* j = find(body, key);
    if (j == nullptr) return none;
    if (j->is_object()) return *j;
    found.add(key, "has to be an object");
    return none;
}

// Whom a token speaks for when the test does not say: the first application.
token_subject usual_subject(const identity_options& o) {
    token_subject out;
    out.tenant = o.tenants.front();
    out.audience = "api://spillway";
    out.client_id = out.object_id = "00000000-0000-4000-8000-00000000c11e";
    if (o.applications.empty()) return out;
    const application_options& first = o.applications.front();
    out.client_id = first.client_id;
    out.object_id = first.object_id;
    out.roles = first.roles;
    return out;
}

answer make_token(identity_provider& at, const json& body) {
    problems found;
    settings_reader in(body, {}, found);
    token_subject whose = usual_subject(at.options());
    std::uint64_t version = 2;
    std::string key = "current";
    in.text("tenant", whose.tenant);
    in.count("version", version);
    in.text("key", key);
    in.raw("header");
    in.raw("claims");
    in.finish();
    if (version != 1 && version != 2) found.add("version", "has to be 1 or 2");
    key_ring& keys = at.tokens.keys;
    const signing_key* by = key == "current"    ? &keys.current()
                            : key == "previous" ? keys.previous()
                            : key == "unknown"  ? &keys.unknown()
                                                : nullptr;
    if (by == nullptr) found.add("key", "has to be current, unknown, or after a rotation previous");
    const json &header_changes = object_in(body, "header", found), &claim_changes = object_in(body, "claims", found);
    if (!found.found.empty()) return wrong(found);
    whose.version = static_cast<int>(version);
    json header = at.tokens.header_of(*by, whose.version), claims = at.tokens.claims_of(whose);
    constexpr std::int64_t usual_life = 3600;
    claims["exp"] = claims["iat"].get<std::int64_t>() + usual_life;
    override_with(header, header_changes);
    override_with(claims, claim_changes);
    return answer::of(200, {{"token", make_jwt(header, claims, *by)}, {"header", header}, {"claims", claims}});
}

answer rotate_keys(identity_provider& at, const json& body) {
    problems found;
    settings_reader in(body, {}, found);
    bool keep_old = true;
    in.flag("keep_old", keep_old);
    in.finish();
    if (!found.found.empty()) return wrong(found);
    at.tokens.keys.rotate(keep_old);
    return answer::of(200, {{"kid", at.tokens.keys.current().kid()}});
}

answer add_fault(identity_provider& at, const json& body) {
    problems found;
    identity_fault f = read_identity_fault(body, found);
    if (!found.found.empty()) return wrong(found);
    at.faults.add(std::move(f));
    return answer::of(201, {{"status", "ok"}});
}

answer revoke(identity_provider& at, const json& body) {
    problems found;
    settings_reader in(body, {}, found);
    bool claims = false;
    in.flag("claims", claims);
    in.finish();
    if (!found.found.empty()) return wrong(found);
    return answer::of(200, {{"revoked", at.tokens.revoke(claims)}});
}

answer deny(simulation& all, const json& body) {
    problems found;
    settings_reader in(body, {}, found);
    std::string name;
    std::uint64_t status = 403;
    in.text("instance", name);
    in.count("status", status);
    in.finish();
    const auto called = [&](const auto& i) { return i->options().name == name; };
    if (std::none_of(all.instances.begin(), all.instances.end(), called))
        found.add("instance", "there is no instance " + name);
    if (status < 400 || status > 599) found.add("status", "has to be from 400 to 599");
    if (!found.found.empty()) return wrong(found);
    all.identity->deny(name, static_cast<int>(status));
    return answer::of(200, {{"status", "ok"}});
}

}  // namespace

answer control_identity(simulation& all, const request& r) {
    if (!all.identity) return error_answer(404, "NotFound", "the settings have no section identity");
    identity_provider& at = *all.identity;
    if (r.method == "GET" && r.path == "/identity") return answer::of(200, at.to_json());
    if (r.method == "DELETE" && r.path == "/identity/faults") {
        at.faults.clear();
        return answer::of(200, {{"status", "ok"}});
    }
    const json body = r.body.empty() ? json::object() : json::parse(r.body, nullptr, false);
    if (r.method == "POST") {
        if (!body.is_object()) return error_answer(400, "InvalidIdentity", "the body has to be a JSON object");
        if (r.path == "/identity/tokens") return make_token(at, body);
        if (r.path == "/identity/keys/rotate") return rotate_keys(at, body);
        if (r.path == "/identity/faults") return add_fault(at, body);
        if (r.path == "/identity/revoke") return revoke(at, body);
        if (r.path == "/identity/deny") return deny(all, body);
    }
    return error_answer(404, "NotFound",
                        "below /identity there are GET /identity, POST /identity/tokens /identity/keys/rotate "
                        "/identity/faults /identity/revoke /identity/deny and DELETE /identity/faults");
}

}  // namespace spillway::sim
