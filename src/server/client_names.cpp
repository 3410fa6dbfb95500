#include "client_names.hpp"

#include <set>
#include <string_view>

#include <spillway/base/text.hpp>

namespace spillway::server {
namespace {

// "gpt-5*" is shown as gpt-5; "exp-*" and "a*b" are no names without their stars.
std::string_view stem_of(std::string_view pattern) noexcept {
    const auto stem = pattern.substr(0, pattern.find('*'));
    constexpr std::string_view separators = "-_./: ";
    const bool is_name =
        !stem.empty() && stem.size() + 1 == pattern.size() && separators.find(stem.back()) == std::string_view::npos;
    return is_name ? stem : std::string_view{};
}

}  // namespace

std::vector<std::string> names_of_client(const core::router& router, std::size_t client,
                                         std::span<const pool_names> pools) {
    std::set<std::string> names;
    for (const auto at : router.routes_of(client)) {
        const auto& r = router.rules()[at];
        if (r.deployment.find('*') == std::string::npos) {
            names.insert(r.deployment);
            continue;
        }
        bool shown = false;
        for (const auto& share : r.pools)
            for (const auto& name : {pools[share.pool].model, pools[share.pool].name}) {
                if (name.empty() || !text::glob_match(r.deployment, name)) continue;
                names.insert(name);
                shown = true;
            }
        if (const auto stem = stem_of(r.deployment); !shown && !stem.empty()) names.emplace(stem);
    }
    return {names.begin(), names.end()};
}

}  // namespace spillway::server
