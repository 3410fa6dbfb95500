#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "identity_crypto.hpp"
#include "identity_options.hpp"

namespace spillway::sim {

// The keys that tokens are signed with, and those that clients are told of.
class key_ring {
public:
    key_ring();

    const signing_key& current() const noexcept { return *current_; }
    // Null before the first rotation.
    const signing_key* previous() const noexcept { return previous_.get(); }
    // A key that no document ever shows.
    const signing_key& unknown();
    void rotate(bool keep_old);
    const std::vector<std::shared_ptr<const signing_key>>& published() const noexcept { return published_; }

private:
    std::shared_ptr<const signing_key> current_, previous_, unknown_;
    std::vector<std::shared_ptr<const signing_key>> published_;
};

// Whom a token is for.
struct token_subject {
    std::string tenant, audience, client_id, object_id;
    std::vector<std::string> roles;
    bool by_secret{true};  // or by an assertion
    int version{2};        // of the form of the token: 1 or 2
};

// What an instance thinks of a bearer token.
enum class token_verdict : std::uint8_t { good, unknown, expired, wrong_audience, revoked, revoked_with_claims };

// Makes tokens, and remembers those that instances accept.
class token_office {
public:
    // `wall` tells the seconds since 1970.
    token_office(duration lifetime, std::function<std::int64_t()> wall);

    key_ring keys;
    // Begins all issuers: "https://127.0.0.1:9441".
    std::string authority;

    std::int64_t now() const { return wall_(); }
    std::int64_t lifetime() const noexcept { return lifetime_; }

    std::string issuer(const std::string& tenant, int version) const;
    json claims_of(const token_subject& whose);
    json header_of(const signing_key& by, int version) const;
    // A token that instances accept from now on.
    std::string issue(const token_subject& whose);
    token_verdict judge(const std::string& token, const std::vector<std::string>& audiences) const;
    // All tokens issued so far. Returns how many there were.
    std::size_t revoke(bool with_claims);
    std::uint64_t issued() const noexcept { return issued_; }

private:
    struct issued_token {
        std::string audience;
        std::int64_t expires{0};
        bool revoked{false}, with_claims{false};
    };
    void forget_expired();

    std::int64_t lifetime_;
    std::function<std::int64_t()> wall_;
    std::map<std::string, issued_token, std::less<>> remembered_;
    std::uint64_t issued_{0};
};

}  // namespace spillway::sim
