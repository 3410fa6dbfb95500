#pragma once

#include <string>

#include <spillway/base/fault.hpp>

namespace spillway::sim {

struct certificate_files {
    std::string ca, certificate, key;
};

// Makes an authority and a server certificate for localhost and 127.0.0.1 in `directory` (ca.pem, server.pem,
// server.key) when they are not there yet. The authority's key is forgotten at once: it signs nothing else.
result<certificate_files> ensure_certificates(const std::string& directory);

}  // namespace spillway::sim
