#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "json_tools.hpp"

namespace spillway::sim {

std::string base64(std::string_view bytes);
// Without padding, as JOSE wants it.
std::string base64url(std::string_view bytes);
// Nothing when it is no base64url, or padded.
std::optional<std::string> base64url_decoded(std::string_view text);

// An RSA key of 2048 bits that signs tokens.
class signing_key {
public:
    // Makes a new one; throws when there is no randomness for it.
    signing_key();

    const std::string& kid() const noexcept { return kid_; }
    // RS256, RS384, RS512, PS256; HS256 takes the PEM of the public key as its secret; `none` gives nothing. Any
    // other word gets a signature of RS256, so that a token can lie about its algorithm.
    std::string sign(std::string_view algorithm, std::string_view what) const;
    std::string public_pem() const;
    // The public half as an entry of a JWKS.
    json jwk() const;

private:
    std::shared_ptr<EVP_PKEY> key_;
    std::string kid_;
};

// Signed as the header's `alg` says.
std::string make_jwt(const json& header, const json& claims, const signing_key& by);

struct jwt_parts {
    json header, claims;
    std::string signed_text, signature;
};
// Nothing is verified. Nothing when it is no compact JWS of two JSON objects.
std::optional<jwt_parts> parse_jwt(std::string_view token);

// A certificate that clients prove themselves with.
class client_certificate {
public:
    // Nothing when the file holds no PEM certificate with an RSA key.
    static std::optional<client_certificate> read(const std::string& file);

    // RS256 and PS256.
    bool verifies(const jwt_parts& token) const;
    // Whether `x5t#S256`, `x5t` or `kid` name this certificate: one has to be there, and none may be wrong.
    bool named_by(const json& header) const;

private:
    explicit client_certificate(std::shared_ptr<X509> certificate) : certificate_(std::move(certificate)) {}
    std::string thumbprint(const EVP_MD* digest) const;

    std::shared_ptr<X509> certificate_;
};

}  // namespace spillway::sim
