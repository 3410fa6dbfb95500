#include "resource.hpp"

namespace spillway::sim {

resource::resource(const instance_options& o) : options_(o) {
    for (const auto& d : o.deployments) deployments_.emplace(d.name, std::make_unique<deployment>(d));
}

deployment* resource::find_deployment(std::string_view name) const {
    const auto at = deployments_.find(std::string(name));
    return at != deployments_.end() ? at->second.get() : nullptr;
}

quota_decision resource::admit(deployment& d, std::uint64_t tokens, time_point now) {
    return d.options.provisioned() ? d.provisioned.admit(tokens, now) : d.standard.admit(tokens, now);
}

}  // namespace spillway::sim
