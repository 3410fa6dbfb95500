#include <spillway/core/certificate.hpp>

namespace spillway::core {

std::optional<std::size_t> certificate_rules::find(const certificate_claims& c, wall_time now) const {
    if (now < c.not_before || now >= c.expires) return std::nullopt;
    if (const auto at = fingerprints_.find(c.fingerprint); at != fingerprints_.end()) return at->second;
    for (const auto& name : c.names)
        if (const auto at = names_.find(name); at != names_.end()) return at->second;
    return std::nullopt;
}

}  // namespace spillway::core
