#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/core/token.hpp>

// Tokens that clients bring: their form, their signature, their claims.
namespace spillway::identity {

inline constexpr std::size_t longest_token = 16 * 1024;

// What the unverified token says about how it is to be verified.
struct token_head {
    std::string key_id;
    std::string issuer;
};

// Looks at the form alone: three parts, RS256, a known `typ`, a key id, no critical header, nothing nested. The
// result must not be believed before verify_signature().
core::token_error read_head(std::string_view token, token_head& out);

// A provider's public RSA keys by their id. Immutable; any thread may use it.
class key_set {
public:
    // Reads a JWKS. Keys of other kinds and uses are passed over; RSA keys below 2048 bits, too. Faults:
    // `JwksInvalid` when it is no JWKS or holds no usable key.
    static result<key_set> parse(std::string_view jwks);

    bool has(std::string_view key_id) const noexcept { return find(key_id) != nullptr; }
    std::size_t size() const noexcept { return keys_.size(); }
    // Sorted ids, to see whether two sets are the same.
    std::vector<std::string> ids() const;

private:
    friend core::token_error verify_signature(std::string_view, const key_set&, const token_head&, std::string&);
    struct release {
        void operator()(void* jwk) const noexcept;
    };
    struct key {
        std::string id, fingerprint;
        std::shared_ptr<void> jwk;  // cjose_jwk_t
    };
    const key* find(std::string_view key_id) const noexcept;
    std::vector<key> keys_;
};

// Verifies with the key that the head names. `payload` gets the verified bytes.
core::token_error verify_signature(std::string_view token, const key_set& keys, const token_head& head,
                                   std::string& payload);

// The claims of a verified payload; `malformed` when it is no JSON object of the usual kind.
core::token_error read_claims(std::string_view payload, core::token_claims& out);

}  // namespace spillway::identity
