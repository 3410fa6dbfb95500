#pragma once

#include <optional>
#include <string>

#include <spillway/core/router.hpp>

#include "../caller/caller.hpp"
#include "ties.hpp"

namespace spillway::proxy {

// Where a request goes: which route serves it, from which pool, and with whose proof.
class plan {
public:
    explicit plan(const setting& at) noexcept : objects(at), at_(at) {}

    // Faults: DeploymentNotFound (404), DeploymentForbidden, TokenForAzure, TokenRequired (403), and those of
    // core::body_needs.
    maybe_fault find(const request& asked, const caller& by);

    const proxy::pool& pool_of() const noexcept { return at_.config().pools[*pool]; }
    stats::label pool_label() const noexcept { return pool ? pool_of().label : stats::label{0}; }
    // As the backend gets it: names of deployments do not go along.
    std::string_view query_of(const request& asked) const noexcept {
        return changes_query ? std::string_view(asked.memory().upstream_query) : asked.query;
    }

    // Of the client that made what the request makes, or uses what it uses.
    core::placement placement_of(const request& asked, const caller& by) const noexcept;
    // Its ids as the instance knows them.
    static const core::classified& what(const request& asked) noexcept { return asked.memory().upstream_what; }

    ties objects;
    // By the configuration's numbers; unset: none was found.
    std::optional<std::size_t> route, pool;
    bool found{false};          // and nothing speaks against it
    bool passes_token{false};   // the client's own token goes to the instance
    bool changes_query{false};  // scratch::upstream_query goes to the backend instead of the client's query

private:
    maybe_fault find_route(const request& asked, const core::route_query& q);
    maybe_fault check_list(const caller& by) const;
    bool has_instance(std::size_t of_pool, std::size_t instance) const noexcept;
    fault no_route(std::string_view deployment) const;
    maybe_fault check_other_names(const request& asked, core::route_query q);
    maybe_fault check_needs(const request& asked, core::route_query q) const;
    maybe_fault check_token(const caller& by);

    const setting& at_;
};

}  // namespace spillway::proxy
