#pragma once

#include <string>
#include <string_view>

#include <spillway/base/fault.hpp>
#include <spillway/config/identity.hpp>

namespace spillway::identity {

// What a provider says about itself, after it was judged.
struct discovery {
    std::string issuer;
    std::string keys_url;  // visible ASCII, on a host that may hold the provider's keys
};

// Reads an OpenID discovery document. It may speak only for the provider that was asked, and it may
// send the gateway to the provider's own host, to one that is known to belong to it, or to one of `jwks_hosts`:
// its author must not choose which hosts the gateway asks. Faults: `ProviderUnusable`; the message begins where a
// sentence about the document goes on.
result<discovery> read_discovery(std::string_view document, const config::token_provider& of);

}  // namespace spillway::identity
