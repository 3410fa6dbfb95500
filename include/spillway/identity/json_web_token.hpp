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
    static constexpr std::size_t most_keys = 64;
    // Of the RSA keys for signatures that a document offered, those that are not in the set.
    struct passed_over {
        std::size_t unfit{0};  // break a rule below, or have the id of another key
        std::size_t more{0};   // came when `most_keys` were there
        std::string_view why;  // of the first unfit one; static storage
        friend bool operator==(const passed_over&, const passed_over&) = default;
    };

    // Reads a JWKS. Keys of other kinds and uses are passed over. RSA keys need an id, an odd modulus of 2048 to 8192
    // bits and an odd exponent of 65537 to 2^64: with 1 signing needs no key, every issuer uses 65537, and FIPS
    // 186-5 allows none below. Keys that say that they are for signatures come before those that say nothing. Faults:
    // `JwksInvalid` when it is no JWKS or holds no usable key.
    static result<key_set> parse(std::string_view jwks);

    bool has(std::string_view key_id) const noexcept { return find(key_id) != nullptr; }
    std::size_t size() const noexcept { return keys_.size(); }
    // Sorted, each id with all of its key: to see whether two sets are the same.
    std::vector<std::string> ids() const;
    const passed_over& left_out() const noexcept { return left_out_; }

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
    void add(const std::string& id, const std::string& modulus, const std::string& exponent);
    std::vector<key> keys_;
    passed_over left_out_;
};

// Verifies with the key that the head names. `payload` gets the verified bytes.
core::token_error verify_signature(std::string_view token, const key_set& keys, const token_head& head,
                                   std::string& payload);

// The claims of a verified payload; `malformed` when it is no JSON object of the usual kind.
core::token_error read_claims(std::string_view payload, core::token_claims& out);

}  // namespace spillway::identity
