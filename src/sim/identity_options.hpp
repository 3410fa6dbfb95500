#pragma once

#include <string>
#include <vector>

#include <spillway/base/time.hpp>

#include "settings_reader.hpp"

namespace spillway::sim {

// A registered application that may fetch tokens with its credentials.
struct application_options {
    std::string tenant;  // the first of all when none is told
    std::string client_id, object_id;
    std::string secret;                // empty: it has none
    std::string certificate;           // PEM file; the key that signs assertions belongs to it
    std::string federated_token_file;  // an assertion is good when it is what this file holds just now
    std::vector<std::string> roles;
};

struct managed_identity_options {
    std::string client_id, object_id, resource_id;
    bool system{false};  // taken when a request names none
};

// Stands in for Entra ID and for the places where Azure's machines fetch tokens.
struct identity_options {
    std::string address;                   // empty: there is no such part
    std::string managed_identity_address;  // plain HTTP; empty: not listened on
    bool tls{false};
    std::string public_url;       // begins every issuer; empty: the address that it is bound to
    std::string identity_header;  // that App Service requests have to show
    duration token_lifetime{hours(1)};
    std::vector<std::string> tenants;
    std::vector<application_options> applications;
    std::vector<managed_identity_options> managed_identities;

    bool enabled() const noexcept { return !address.empty(); }
};

// Reads the section `identity`; what is wrong with it goes to `out`.
identity_options read_identity(const json& section, problems& out);

}  // namespace spillway::sim
