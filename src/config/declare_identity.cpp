#include "keys.hpp"

// The keys of who is who: tokens, certificates and keys of clients, credentials of the gateway.
namespace spillway::config {
namespace {

constexpr std::array<std::string_view, 3> identity_endpoints{"auto", "imds", "app_service"};

void list_of(visitor& v, const key& k, std::vector<std::string>& out) {
    v.values(k, [&out] {
        out.emplace_back();
        return text_of(out.back());
    });
}

void declare_key(visitor& v, client_key& x) {
    v.value({"hash", "sha256: of the key", true}, hash_of(x.hash));
    v.value({"label", "for the log: which of the client's keys it was"}, text_of(x.label));
    v.value({"not_before", "the key counts from then on"}, moment_of(x.not_before));
    v.value({"expires", "the key counts until then"}, moment_of(x.expires));
}

void declare(visitor& v, managed_identity_source& x) {
    v.value({"client_id", "of a user-assigned identity"}, text_of(x.client_id));
    v.value({"object_id", "of a user-assigned identity"}, text_of(x.object_id));
    v.value({"resource_id", "of a user-assigned identity"}, text_of(x.resource_id));
    v.value({"endpoint", "auto: IDENTITY_ENDPOINT when the platform sets it, else the machine's (IMDS)"},
            choice_of(x.endpoint, identity_endpoints));
    v.value({"url", "instead of the endpoint's usual address"}, text_of(x.url));
}

void declare_application(visitor& v, application_source& x, bool from_environment) {
    const std::string_view tenant =
        from_environment ? "directory id; none: AZURE_TENANT_ID" : "directory id of the application";
    const std::string_view client = from_environment ? "application id; none: AZURE_CLIENT_ID" : "application id";
    v.value({"tenant", tenant, !from_environment}, text_of(x.tenant));
    v.value({"client_id", client, !from_environment}, text_of(x.client_id));
    v.value({"authority", "where tokens are asked for; none: AZURE_AUTHORITY_HOST, else the public cloud's"},
            text_of(x.authority));
    v.value({"ca_file", "PEM bundle to trust there instead of the system's"}, text_of(x.ca_file));
}

}  // namespace

void declare_keys(visitor& v, const key& k, std::vector<client_key>& x) {
    v.mixed(
        k,
        [&x] {
            x.emplace_back();
            return hash_of(x.back().hash);
        },
        [&x](visitor& in) { declare_key(in, x.emplace_back()); });
}

void declare(visitor& v, token_provider& x) {
    v.value({"tenant", "id of an Entra tenant"}, text_of(x.tenant));
    v.value({"issuer", "of another OpenID provider, exactly as its tokens spell it"}, text_of(x.issuer));
    v.value({"authority", "where the metadata of an Entra tenant is read"}, text_of(x.authority));
    list_of(v, {"audiences", "a token's `aud` has to be one of them: the gateway's own app registration"},
            x.audiences);
    list_of(v, {"passthrough_audiences", "likewise, but only on passthrough routes: Azure's own API"},
            x.passthrough_audiences);
    list_of(v, {"jwks_hosts", "host or host:port that may publish the keys, besides the provider's own"},
            x.jwks_hosts);
    v.value({"ca_file", "PEM bundle to trust there instead of the system's"}, text_of(x.ca_file));
    v.value({"insecure",
             "allow metadata over http://: a host on the way could then put its own keys in and pass as any client"},
            flag_of(x.insecure));
    v.value({"skew", "by which clocks may differ"}, time_of(x.skew, duration::zero(), minutes(5)));
    v.value({"refresh", "of keys, ahead of any need"}, time_of(x.refresh, seconds(1), hours(24)));
    v.value({"unknown_key",
             "a token with an unknown key id, or that its key did not sign, asks for fresh keys at most this often"},
            time_of(x.unknown_key, seconds(1), hours(24)));
}

void declare(visitor& v, entra_match& x) {
    v.value({"tenant", "id; a token provider has to be configured for it", true}, text_of(x.tenant));
    v.value({"application", "id of the calling application: azp or appid"}, text_of(x.application));
    v.value({"object", "id of the user or service principal: oid"}, text_of(x.object));
    list_of(v, {"roles", "application roles; one is enough"}, x.roles);
    list_of(v, {"scopes", "delegated permissions, scp; one is enough"}, x.scopes);
    list_of(v, {"groups", "object ids of groups; one is enough"}, x.groups);
}

void declare(visitor& v, openid_match& x) {
    v.value({"provider", "name under token_providers", true}, text_of(x.provider));
    v.value({"subject", "the token's sub"}, text_of(x.subject));
    v.object({"claims", "other claims that have to match: a text, or a list that holds it"}, [&x](visitor& in) {
        in.others("claim", "value", [&x](const std::string& name) { return text_of(x.claims[name]); });
    });
}

void declare(visitor& v, certificate_match& x) {
    v.values({"fingerprints", "sha256: of certificates; need no authority"}, [&x] {
        x.fingerprints.emplace_back();
        return hash_of(x.fingerprints.back(), "certificate");
    });
    list_of(v, {"names", "subject alternative names: dns:, uri:, email: or ip: and the name; need a client_ca"},
            x.names);
}

void declare(visitor& v, slow_down& x) {
    v.value({"failures", "inside the window that cost nothing"}, count_of(x.failures, 1, 100'000));
    v.value({"window", "in which failures count together"}, time_of(x.window, seconds(1), hours(1)));
    v.value({"max_delay", "a refusal waits for 100 ms, then for twice that, up to here; 0: never"},
            time_of(x.max_delay, duration::zero(), seconds(60)));
}

void declare(visitor& v, credential& x) {
    v.value({"api_key", "key of the resource: ${ENV} or file:/path"}, secret_of(x.api_key));
    v.object({"managed_identity", "the identity that Azure gives to the machine, the pod or the app; {}: its own"},
             [&x](visitor& in) { declare(in, x.managed_identity.emplace()); });
    v.object({"workload_identity", "AKS: a federated token of the pod; {}: all from the environment"},
             [&x](visitor& in) {
                 auto& a = x.workload_identity.emplace();
                 declare_application(in, a, true);
                 in.value({"token_file", "the pod's token; none: AZURE_FEDERATED_TOKEN_FILE"}, text_of(a.token_file));
             });
    v.object({"client_secret", "an application with a secret"}, [&x](visitor& in) {
        auto& a = x.client_secret.emplace();
        declare_application(in, a, false);
        in.value({"secret", "${ENV} or file:/path", true}, secret_of(a.secret));
    });
    v.object({"client_certificate", "an application with a certificate"}, [&x](visitor& in) {
        auto& a = x.client_certificate.emplace();
        declare_application(in, a, false);
        in.value({"certificate", "PEM file", true}, text_of(a.certificate));
        in.value({"key", "PEM file with its private key", true}, text_of(a.key));
    });
    v.object({"source", "another kind of source"}, [&x](visitor& in) {
        auto& s = x.source.emplace();
        in.value({"kind", "which one", true}, text_of(s.kind));
        in.object({"settings", "as the kind wants them; no secret"}, [&s](visitor& each) {
            each.others("setting", "of the kind",
                        [&s](const std::string& name) { return text_of(s.settings[name]); });
        });
        in.object({"secrets", "as the kind wants them: ${ENV} or file:/path"}, [&s](visitor& each) {
            each.others("secret", "of the kind",
                        [&s](const std::string& name) { return secret_of(s.secrets[name]); });
        });
    });
    list_of(v, {"chain", "names of other credentials; the first that gives a token serves"}, x.chain);
}

}  // namespace spillway::config
