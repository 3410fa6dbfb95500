#include "identity_check.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <spillway/base/text.hpp>
#include <spillway/http/endpoint_url.hpp>

#include "issue_sink.hpp"
#include "values.hpp"

namespace spillway::config {
namespace {

// Why a configured origin could never be equal to what browsers send; empty: it can.
std::string_view origin_problem(std::string_view origin) noexcept {
    if (origin == "*") return {};
    const auto scheme = origin.find("://");
    if (scheme == std::string_view::npos || scheme == 0) return "the origin has no scheme";
    auto host = origin.substr(scheme + 3);
    if (host.find_first_of("/?#@") != std::string_view::npos) return "an origin has no path";
    if (std::any_of(origin.begin(), origin.end(), [](char c) { return c <= 0x20 || c >= 0x7F; }))
        return "an origin is visible ASCII";
    if (std::any_of(origin.begin(), origin.end(), [](char c) { return c >= 'A' && c <= 'Z'; }))
        return "browsers write origins in small letters";
    if ((origin.starts_with("https://") && host.ends_with(":443")) ||
        (origin.starts_with("http://") && host.ends_with(":80")))
        return "browsers leave the scheme's own port out";
    if (host.starts_with("*.")) host.remove_prefix(2);
    if (host.empty() || host.find('*') != std::string_view::npos) return "a star stands for whole labels in front";
    return {};
}

class identity_check : tree_check {
public:
    using tree_check::tree_check;

    void run() {
        for (const auto& [name, l] : tree_.listeners) check_listener("listeners." + name, l);
        for (const auto& [name, p] : tree_.token_providers) check_provider(name, p);
        for (const auto& [name, c] : tree_.clients) check_client(name, c);
        for (const auto& [name, c] : tree_.credentials) check_credential(name, c);
        for (std::size_t i = 0; i < tree_.routes.size(); ++i)
            if (tree_.routes[i].passthrough) check_passthrough(child_path("routes", i), tree_.routes[i]);
    }

private:
    // Told without the URL: a password may stand in it, and errors of fetching would log it.
    void check_url(const std::string& path, const std::string& url) {
        const auto t = url.empty() ? http::url_trouble{} : http::endpoint_trouble(url);
        if (!t.what.empty()) error(path, std::string(t.what), std::string(t.remedy));
    }

    void check_listener(const std::string& path, const listener& l) {
        if (l.tls && l.tls->client_auth == client_auth::required && l.tls->client_ca.empty())
            error(path + ".tls.client_auth", "certificates are required, but nobody may sign them", "set client_ca");
        const auto& f = l.forwarded_certificate;
        if (f.header.empty() && !f.client_ca.empty())
            error(path + ".forwarded_certificate", "no header is named", "set header");
        if (!f.header.empty() && l.trusted_proxies.empty())
            error(path + ".forwarded_certificate.header", "anybody could send this header: no proxy is trusted",
                  "name the proxy's addresses under trusted_proxies");
        if (!l.front_door.ids.empty() && l.trusted_proxies.empty() && l.allow.empty())
            warn(path + ".front_door", "the id is no secret, and any address may connect",
                 "restrict the network to AzureFrontDoor.Backend, or set allow");
        if (l.cors) check_cors(path + ".cors", *l.cors);
    }

    void check_cors(const std::string& path, const cors& c) {
        const bool any = std::find(c.origins.begin(), c.origins.end(), "*") != c.origins.end();
        if (c.origins.empty()) error(path + ".origins", "no origin is listed", "list some, or take cors out");
        if (any && c.origins.size() > 1)
            error(path + ".origins", "\"*\" stands for every origin already", "list it alone, or take it out");
        if (any && c.credentials)
            error(path + ".credentials", "every page of the web could use what a browser has stored for this host",
                  "list the origins, or leave credentials off");
        for (std::size_t i = 0; i < c.origins.size(); ++i)
            if (const auto what = origin_problem(c.origins[i]); !what.empty())
                error(child_path(path + ".origins", i), std::string(what),
                      "write it as browsers send it: https://app.example.com");
    }

    void check_provider(const std::string& of, const token_provider& p) {
        const std::string path = "token_providers." + of;
        if (p.tenant.empty() == p.issuer.empty())
            error(path,
                  p.tenant.empty() ? "the provider has neither tenant nor issuer"
                                   : "the provider has a tenant and an issuer",
                  "write tenant for Entra, issuer for anybody else");
        if (p.audiences.empty() && p.passthrough_audiences.empty())
            error(path + ".audiences", "no token would be taken", "name the gateway's app registration");
        const auto& where = p.tenant.empty() ? p.issuer : p.authority;
        const std::string key = path + (p.tenant.empty() ? ".issuer" : ".authority");
        if (!where.empty() && !text::istarts_with(where, "https://") &&
            !(p.insecure && text::istarts_with(where, "http://")))
            error(key, "the keys' source is not protected by TLS",
                  "write https://, or set insecure: true for a test");
        else check_url(key, where);
        for (std::size_t i = 0; i < p.jwks_hosts.size(); ++i)
            check_keys_host(child_path(path + ".jwks_hosts", i), p.jwks_hosts[i]);
        static constexpr std::string_view of_microsoft[] = {"https://cognitiveservices.azure.com",
                                                            "https://ai.azure.com"};
        for (std::size_t i = 0; i < p.audiences.size(); ++i)
            for (const auto known : of_microsoft)
                if (p.audiences[i].starts_with(known))
                    warn(child_path(path + ".audiences", i),
                         "such tokens are made for Microsoft's own API: a stolen one could be used here as well",
                         "give the gateway an app registration of its own; for passthrough routes write "
                         "passthrough_audiences");
        for (const auto& [name, other] : tree_.token_providers)
            if (name < of && !p.tenant.empty() && other.tenant == p.tenant)
                error(path + ".tenant", "provider " + name + " is for the same tenant", "join the two");
    }

    void check_keys_host(const std::string& path, const std::string& listed) {
        if (listed.find_first_of("/?#@") != std::string::npos ||
            !http::endpoint_trouble("https://" + listed).what.empty())
            error(path, "this is no host", "write host or host:port, without https:// and without a path");
        else if (listed.starts_with("169.254.") || text::istarts_with(listed, "[fe80:") ||
                 text::istarts_with(listed, "[fd00:ec2:") || text::istarts_with(listed, "metadata."))
            error(path, "a metadata service lives there, and no issuer publishes its keys there", "take it out");
    }

    void check_client(const std::string& name, const client& c) {
        const std::string path = "clients." + name;
        if (c.keys.empty() && !c.entra && !c.openid && !c.certificate && tree_.keys_file.empty())
            warn(path, "the client has no way to prove itself, so nobody can be it",
                 "run `spillway keys new`, or write entra, openid or certificate");
        for (std::size_t i = 0; i < c.keys.size(); ++i) {
            const auto at = child_path(path + ".keys", i);
            const auto [owner, is_new] = owners_.emplace(c.keys[i].hash, name);
            if (!is_new)
                error(at, "the key belongs to client " + owner->second + " already", "give each client its own key");
            if (ends_before_it_begins(c.keys[i]))
                error(at, "the key ends before it begins", "put expires after not_before");
        }
        if (c.entra) check_entra(path + ".entra", *c.entra);
        if (c.openid) check_openid(path + ".openid", *c.openid);
        if (c.certificate) check_certificate(name, *c.certificate);
    }

    void check_entra(const std::string& path, const entra_match& m) {
        const bool known = std::any_of(tree_.token_providers.begin(), tree_.token_providers.end(),
                                       [&](const auto& p) { return p.second.tenant == m.tenant; });
        if (!known)
            error(path + ".tenant", "no token provider is configured for this tenant",
                  "add one under token_providers with tenant and audiences");
        if (m.application.empty() && m.object.empty() && m.roles.empty() && m.scopes.empty() && m.groups.empty())
            warn(path, "every application and user of the tenant that gets a token for the gateway is this client",
                 "write application, object, roles, scopes or groups");
    }

    void check_openid(const std::string& path, const openid_match& m) {
        if (!tree_.token_providers.contains(m.provider))
            error(path + ".provider", "there is no token provider called '" + m.provider + "'",
                  did_you_mean(m.provider, names_of(tree_.token_providers), "add it under token_providers"));
        if (m.subject.empty() && m.claims.empty())
            warn(path, "everybody with a token of this provider is this client", "write subject or claims");
    }

    void check_certificate(const std::string& name, const certificate_match& m) {
        const std::string path = "clients." + name + ".certificate";
        if (m.fingerprints.empty() && m.names.empty())
            error(path, "nothing says which certificate it is", "write fingerprints or names");
        for (std::size_t i = 0; i < m.names.size(); ++i) {
            const auto at = child_path(path + ".names", i);
            static constexpr std::string_view kinds[] = {"dns:", "uri:", "email:", "ip:"};
            if (std::none_of(std::begin(kinds), std::end(kinds),
                             [&](std::string_view k) { return m.names[i].starts_with(k); }))
                error(at, "the name's kind is missing", "write dns:, uri:, email: or ip: and the name");
            const auto [owner, is_new] = certificate_names_.emplace(m.names[i], name);
            if (!is_new) error(at, "the name belongs to client " + owner->second + " already", "choose one of them");
        }
        for (std::size_t i = 0; i < m.fingerprints.size(); ++i) {
            const auto [owner, is_new] = fingerprints_.emplace(m.fingerprints[i], name);
            if (!is_new)
                error(child_path(path + ".fingerprints", i),
                      "the certificate belongs to client " + owner->second + " already", "choose one of them");
        }
        const auto shows = [&](const listener& l, bool with_authority) {
            return (l.tls && !l.tls->client_ca.empty()) ||
                   (!l.forwarded_certificate.header.empty() &&
                    (!with_authority || !l.forwarded_certificate.client_ca.empty()));
        };
        if (std::none_of(tree_.listeners.begin(), tree_.listeners.end(),
                         [&](const auto& l) { return shows(l.second, m.fingerprints.empty()); }))
            warn(path, "no listener asks for certificates that this client could show",
                 "set tls.client_ca or forwarded_certificate of a listener");
    }

    void check_credential(const std::string& name, const credential& c) {
        const std::string path = "credentials." + name;
        const int sources = !c.api_key.empty() + c.managed_identity.has_value() + c.workload_identity.has_value() +
                            c.client_secret.has_value() + c.client_certificate.has_value() + c.source.has_value() +
                            !c.chain.empty();
        // A source that is written but could not be read has its own message.
        if (sources == 0 && tree_.source.has(path + ".api_key")) return;
        if (sources != 1)
            error(path, sources == 0 ? "the credential has no source" : "the credential has several sources",
                  "write one of api_key, managed_identity, workload_identity, client_secret, client_certificate, "
                  "source and chain");
        if (c.managed_identity) {
            const auto& m = *c.managed_identity;
            if (!m.client_id.empty() + !m.object_id.empty() + !m.resource_id.empty() > 1)
                error(path + ".managed_identity", "the identity is named twice",
                      "write one of client_id, object_id and resource_id");
        }
        for (const auto* a : {&c.workload_identity, &c.client_secret, &c.client_certificate}) {
            if (!*a || (*a)->authority.empty()) continue;
            if (!text::istarts_with((*a)->authority, "https://"))
                error(path, "the authority is not protected by TLS", "write https://");
            else check_url(path, (*a)->authority);
        }
        if (c.managed_identity) check_url(path + ".managed_identity.url", c.managed_identity->url);
        for (std::size_t i = 0; i < c.chain.size(); ++i) {
            const auto at = child_path(path + ".chain", i);
            const auto other = tree_.credentials.find(c.chain[i]);
            if (other == tree_.credentials.end())
                error(at, "there is no credential called '" + c.chain[i] + "'",
                      did_you_mean(c.chain[i], names_of(tree_.credentials), "add it"));
            else if (!other->second.chain.empty() || !other->second.api_key.empty())
                error(at, "a chain holds credentials that give tokens, no keys and no other chains",
                      "name managed_identity, workload_identity, client_secret, client_certificate or source");
        }
    }

    // A route that hands the client's token on must not be reachable by those who bring none.
    void check_passthrough(const std::string& path, const route& r) {
        if (tree_.token_providers.empty())
            error(path + ".passthrough", "nobody can bring a token: no token provider is configured",
                  "add one under token_providers");
        for (const auto& who : r.clients) {
            const auto c = tree_.clients.find(who);
            if (c != tree_.clients.end() && !c->second.entra && !c->second.openid)
                error(path + ".passthrough", "client " + who + " brings no token that could be passed on",
                      "give it entra, or put it on a route of its own");
        }
    }

    std::map<key_hash, std::string> owners_, fingerprints_;
    std::map<std::string, std::string> certificate_names_;
};

}  // namespace

void check_identities(const tree& t, std::vector<issue>& out) { identity_check(t, out).run(); }

}  // namespace spillway::config
