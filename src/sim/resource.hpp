#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "exchange.hpp"
#include "options.hpp"

namespace spillway::sim {

// What those that answer for an instance may know of it: its settings and its deployments with their quotas.
class resource {
public:
    explicit resource(const instance_options& o);

    const instance_options& options() const noexcept { return options_; }
    // Null: there is none of that name.
    deployment* find_deployment(std::string_view name) const;
    const std::map<std::string, std::unique_ptr<deployment>>& deployments() const noexcept { return deployments_; }

    // Whether so many tokens may be used now; counts them.
    static quota_decision admit(deployment& d, std::uint64_t tokens, time_point now);

private:
    instance_options options_;
    std::map<std::string, std::unique_ptr<deployment>> deployments_;
};

}  // namespace spillway::sim
