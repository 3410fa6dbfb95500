#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <spillway/base/time.hpp>

namespace spillway::core {

using certificate_digest = std::array<std::uint8_t, 32>;  // SHA-256 of its DER form

// What a certificate says about its holder, who has proven to hold its key.
struct certificate_claims {
    certificate_digest fingerprint{};
    std::vector<std::string>
        names;  // dns:, uri:, email:, ip: and the name; empty unless an authority stands for them
    wall_time not_before{}, expires{};
};

// The clients that certificates stand for. A fingerprint decides before a name.
class certificate_rules {
public:
    void add_fingerprint(const certificate_digest& d, std::size_t client) { fingerprints_.emplace(d, client); }
    void add_name(std::string name, std::size_t client) { names_.emplace(std::move(name), client); }
    bool empty() const noexcept { return fingerprints_.empty() && names_.empty(); }

    // Nothing as well for one that is not valid at that time.
    std::optional<std::size_t> find(const certificate_claims& c, wall_time now) const;

private:
    std::map<certificate_digest, std::size_t> fingerprints_;
    std::map<std::string, std::size_t> names_;
};

}  // namespace spillway::core
