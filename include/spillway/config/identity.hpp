#pragma once

#include <optional>
#include <string>
#include <vector>

#include <spillway/base/time.hpp>
#include <spillway/config/basics.hpp>

// The part of the tree that says how callers prove who they are.
namespace spillway::config {

// A trusted issuer of tokens: an Entra tenant, or any OpenID provider. Keys come by discovery.
struct token_provider {
    std::string tenant;                                          // Entra tenant id; empty when `issuer` is set
    std::string issuer;                                          // of another provider, as its tokens spell it
    std::string authority{"https://login.microsoftonline.com"};  // where an Entra tenant's metadata is read
    std::vector<std::string> audiences;                          // `aud` has to be one of them
    // Audiences of Azure's own API: such tokens count on passthrough routes and nowhere else.
    std::vector<std::string> passthrough_audiences;
    std::vector<std::string> jwks_hosts;  // host or host:port that may publish its keys, besides its own
    std::string ca_file;                  // PEM bundle to trust instead of the system's; empty: the system's
    bool insecure{false};                 // allow metadata over http://: a host on the path can forge the keys
    duration skew{minutes(2)};            // by which clocks may differ
    duration refresh{hours(1)};           // of keys, ahead of any need
    duration unknown_key{minutes(5)};     // a token with an unknown key id asks for fresh keys at most this often
};

// Tokens of an Entra tenant that are a client. What is written has to match; of a list, one entry is enough.
struct entra_match {
    std::string tenant;               // id; a provider has to be configured for it
    std::string application;          // id of the calling application: `azp` (v2), `appid` (v1)
    std::string object;               // id of the user or service principal: `oid`
    std::vector<std::string> roles;   // application roles
    std::vector<std::string> scopes;  // delegated permissions, `scp`
    std::vector<std::string> groups;  // object ids of groups
};

// Tokens of any provider that are a client.
struct openid_match {
    std::string provider;       // name under `token_providers`
    std::string subject;        // `sub`
    named<std::string> claims;  // other claims with a text, or a list that holds the text
};

// Certificates that are a client.
struct certificate_match {
    std::vector<key_hash> fingerprints;  // SHA-256 of the certificate; needs no authority
    std::vector<std::string> names;      // subject alternative names: dns:, uri:, email:, ip:; need an authority
};

// One key of a client, by its hash.
struct client_key {
    key_hash hash;
    std::string label;  // for the log: which of the client's keys it was
    std::optional<wall_time> not_before, expires;
};

inline bool ends_before_it_begins(const client_key& k) noexcept {
    return k.not_before && k.expires && *k.not_before >= *k.expires;
}

// What too many failures from one address cost.
struct slow_down {
    std::uint32_t failures{10};  // inside `window` that cost nothing
    duration window{minutes(1)};
    duration max_delay{seconds(5)};  // a refusal waits for 100 ms, then twice that, up to here; 0: never
};

}  // namespace spillway::config
