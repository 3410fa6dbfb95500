#include "compile_health.hpp"

#include <algorithm>

#include <spillway/http/endpoint_url.hpp>

namespace spillway::server {
namespace {

// Azure is known by the name in the endpoint, whatever address it is reached at.
std::string host_of(const config::instance& i) {
    const auto url = http::parse_endpoint_url(i.endpoint);
    return url ? url->host : std::string();
}

void add_probes(const config::tree& from, proxy::pool& p) {
    const auto& its = from.pools.find(p.name)->second;
    p.probe = its.probe;
    for (std::size_t i = 0; i < p.backends.size(); ++i) {
        const auto& on = from.instances.find(its.backends[i].instance)->second;
        // A pool that stays in its region does not even probe beyond it.
        const bool beyond = its.backends[i].weight != 0 && !core::asks(p.plan, i);
        p.backends[i].probe = beyond ? core::probe_kind::none : core::kind_of(its.probe.how, host_of(on));
    }
}

}  // namespace

void add_health(const config::tree& from, proxy::snapshot& to) {
    for (auto& p : to.pools) add_probes(from, p);
    const auto& wanted = from.health.require;
    const bool all = wanted.size() == 1 && wanted.front() == "all";
    to.route_ready = std::make_unique<std::atomic<bool>[]>(to.route_names.size());
    for (std::size_t i = 0; i < to.route_names.size(); ++i)
        if (all || std::find(wanted.begin(), wanted.end(), to.route_names[i]) != wanted.end())
            to.required_routes.push_back(i);
}

}  // namespace spillway::server
