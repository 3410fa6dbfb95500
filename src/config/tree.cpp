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

std::string_view to_string(deployment_type t) noexcept { return deployment_type_names[static_cast<std::size_t>(t)]; }

std::string route_label(const tree& t, std::size_t index) {
    const auto& name = t.routes[index].name;
    return name.empty() ? "routes[" + std::to_string(index) + "]" : name;
}

std::string instance_identity(const instance& i) {
    std::string out = i.endpoint;
    for (const auto* part : {&i.address, &i.tls_name, &i.ca_file, &i.credential}) out.append("|").append(*part);
    return out;
}

std::string backend_identity(const instance& i, const backend& b) {
    return i.endpoint + "|" + i.address + "|" + b.deployment;
}

}  // namespace spillway::config
