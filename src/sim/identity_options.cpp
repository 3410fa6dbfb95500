#include "identity_options.hpp"

#include <algorithm>

#include <spillway/net/address.hpp>

#include "identity_crypto.hpp"

namespace spillway::sim {
namespace {

// `take` reads one object of the list.
template <class Take>
void each(settings_reader& in, const char* key, problems& out, Take&& take) {
    const json* list = in.raw(key);
    if (list == nullptr) return;
    if (!list->is_array()) return in.problem(key, "has to be a list");
    for (std::size_t i = 0; i < list->size(); ++i) {
        settings_reader one((*list)[i], in.path_of(key) + "[" + std::to_string(i) + "]", out);
        take(one);
        one.finish();
    }
}

void read_address(settings_reader& in, const char* key, std::string& out) {
    in.text(key, out);
    if (!out.empty() && !net::address::parse(out)) in.problem(key, "has to be IP:PORT");
}

application_options read_application(settings_reader& in, const identity_options& all) {
    application_options o;
    if (!all.tenants.empty()) o.tenant = all.tenants.front();
    in.text("tenant", o.tenant);
    if (std::find(all.tenants.begin(), all.tenants.end(), o.tenant) == all.tenants.end())
        in.problem("tenant", "is none of identity.tenants");
    in.text("client_id", o.client_id);
    if (o.client_id.empty()) in.problem("client_id", "is needed");
    o.object_id = o.client_id;
    in.text("object_id", o.object_id);
    in.text("secret", o.secret);
    in.text("certificate", o.certificate);
    if (!o.certificate.empty() && !client_certificate::read(o.certificate))
        in.problem("certificate", "has to be a PEM file with a certificate for an RSA key");
    in.text("federated_token_file", o.federated_token_file);
    in.list("roles", o.roles);
    return o;
}

managed_identity_options read_managed(settings_reader& in) {
    managed_identity_options o;
    in.text("client_id", o.client_id);
    if (o.client_id.empty()) in.problem("client_id", "is needed");
    o.object_id = o.client_id;
    in.text("object_id", o.object_id);
    in.text("resource_id", o.resource_id);
    in.flag("system", o.system);
    return o;
}

}  // namespace

identity_options read_identity(const json& section, problems& out) {
    identity_options o;
    settings_reader in(section, "identity", out);
    read_address(in, "address", o.address);
    if (o.address.empty()) in.problem("address", "is needed, as IP:PORT");
    read_address(in, "managed_identity_address", o.managed_identity_address);
    in.flag("tls", o.tls);
    in.text("public_url", o.public_url);
    if (!o.public_url.empty() && (o.public_url.find("://") == std::string::npos || o.public_url.ends_with('/')))
        in.problem("public_url", "has to be a URL without a slash at its end");
    in.text("identity_header", o.identity_header);
    in.time("token_lifetime", o.token_lifetime);
    if (o.token_lifetime < seconds(1)) in.problem("token_lifetime", "has to be a second at least");
    in.list("tenants", o.tenants);
    if (o.tenants.empty()) in.problem("tenants", "at least one is needed");
    each(in, "applications", out, [&](settings_reader& one) { o.applications.push_back(read_application(one, o)); });
    each(in, "managed_identities", out,
         [&](settings_reader& one) { o.managed_identities.push_back(read_managed(one)); });
    const auto systems = std::count_if(o.managed_identities.begin(), o.managed_identities.end(),
                                       [](const auto& m) { return m.system; });
    if (systems > 1) in.problem("managed_identities", "only one of them can be the system's own");
    in.finish();
    return o;
}

}  // namespace spillway::sim
