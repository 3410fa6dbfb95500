#pragma once

#include <openssl/x509.h>

#include <memory>
#include <optional>
#include <string_view>

#include <spillway/base/fault.hpp>
#include <spillway/core/certificate.hpp>

// Certificates that clients show: to us, or to the proxy in front of us.
namespace spillway::identity {

using trust_store = std::shared_ptr<X509_STORE>;

// The authorities of a PEM file. Fault: `TlsFile`. Reads a file: main thread.
result<trust_store> load_trust(const std::string& ca_file);

// `vouched`: an authority of ours stands for the names.
core::certificate_claims read_certificate(X509* certificate, bool vouched);

// A certificate in a header of a trusted proxy: Envoy's X-Forwarded-Client-Cert (the last element, which the nearest
// proxy made), PEM in percent-encoding, or bare base64. Names count only when `trust` signs the certificate now.
// Nothing when it cannot be read.
std::optional<core::certificate_claims> read_forwarded_certificate(std::string_view value, const trust_store& trust);

}  // namespace spillway::identity
