#include <spillway/config/tree.hpp>

#include "keys.hpp"

namespace spillway::config {

locality processes_in(deployment_type t) noexcept {
    switch (t) {
        case deployment_type::standard:
        case deployment_type::provisioned: return locality::region;
        case deployment_type::data_zone_standard:
        case deployment_type::data_zone_provisioned:
        case deployment_type::data_zone_batch: return locality::zone;
        case deployment_type::global_standard:
        case deployment_type::global_provisioned:
        case deployment_type::global_batch:
        case deployment_type::developer: break;
    }
    return locality::anywhere;
}

std::string_view to_string(preference p) noexcept { return preference_names[static_cast<std::size_t>(p)]; }
std::string_view to_string(deployment_type t) noexcept { return deployment_type_names[static_cast<std::size_t>(t)]; }

std::string route_label(const tree& t, std::size_t index) {
    const auto& name = t.routes[index].name;
    return name.empty() ? "routes[" + std::to_string(index) + "]" : name;
}

std::string instance_identity(const instance& i) {
    std::string out = i.endpoint;
    for (const auto* part : {&i.address, &i.tls_name, &i.ca_file, &i.credential}) out.append("|").append(*part);
    if (i.kind == instance_kind::openai) out.append("|openai|").append(i.organization).append("|").append(i.project);
    return out;
}

std::string describe(const credential& c) {
    const auto of = [](const char* kind, const std::string& id) { return id.empty() ? kind : kind + (" " + id); };
    if (c.managed_identity) {
        const auto& m = *c.managed_identity;
        return of("managed identity", !m.client_id.empty()   ? m.client_id
                                      : !m.object_id.empty() ? m.object_id
                                                             : m.resource_id);
    }
    if (c.workload_identity) return of("workload identity", c.workload_identity->client_id);
    if (c.client_secret) return of("client secret of", c.client_secret->client_id);
    if (c.client_certificate) return of("client certificate of", c.client_certificate->client_id);
    if (c.source) return c.source->kind;
    std::string out = c.chain.empty() ? c.api_key.describe() : "chain:";
    for (const auto& link : c.chain) out += " " + link;
    return out;
}

std::string credential_identity(const tree& t, const credential& c) {
    std::string out;
    const auto add = [&out](std::string_view part) { out.append(part).append("|"); };
    if (const auto& m = c.managed_identity) {
        for (const auto* part : {&m->client_id, &m->object_id, &m->resource_id, &m->url}) add(*part);
        add(std::to_string(static_cast<int>(m->endpoint)));
    }
    const std::optional<application_source>* applications[] = {&c.workload_identity, &c.client_secret,
                                                               &c.client_certificate};
    for (const auto* a : applications) {
        out += *a ? "+" : "-";
        if (!*a) continue;
        const auto& x = **a;
        for (const auto* part :
             {&x.tenant, &x.client_id, &x.authority, &x.ca_file, &x.token_file, &x.certificate, &x.key})
            add(*part);
    }
    if (c.source) {
        add(c.source->kind);
        for (const auto& [name, setting] : c.source->settings) add(name), add(setting);
        for (const auto& [name, secret] : c.source->secrets) add(name), add(secret.describe());
    }
    for (const auto& name : c.chain)
        if (const auto link = t.credentials.find(name); link != t.credentials.end())
            out += "[" + credential_identity(t, link->second) + "]";
    return out;
}

std::string backend_identity(const instance& i, const backend& b) {
    return i.endpoint + "|" + i.address + "|" + b.deployment + (i.kind == instance_kind::openai ? "|openai" : "");
}

}  // namespace spillway::config
