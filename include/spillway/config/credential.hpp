#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <spillway/config/secret.hpp>

// The part of the tree that says how the gateway proves itself to instances.
namespace spillway::config {

enum class identity_endpoint : std::uint8_t {
    automatic,  // App Service's when IDENTITY_ENDPOINT and IDENTITY_HEADER are set, else the machine's
    imds,
    app_service,
};

// The identity that Azure gives to the machine, the pod or the app. Without any id: the system-assigned one.
struct managed_identity_source {
    std::string client_id, object_id, resource_id;  // of a user-assigned identity; at most one of them
    identity_endpoint endpoint{identity_endpoint::automatic};
    std::string url;  // instead of http://169.254.169.254, or of IDENTITY_ENDPOINT
};

// An application in Entra that proves itself by what the other sources hold. Empty fields of a workload identity come
// from the environment that AKS injects.
struct application_source {
    std::string tenant, client_id;
    std::string authority;         // empty: AZURE_AUTHORITY_HOST, else https://login.microsoftonline.com
    std::string ca_file;           // PEM bundle to trust instead of the system's
    std::string token_file;        // workload identity: read anew before each use
    secret_ref secret;             // client secret
    std::string certificate, key;  // client certificate: PEM files, read anew before each use
};

// A source that has no form of its own here: it knows itself what its settings are called.
struct other_source {
    std::string kind;  // a name of src/credentials/source_kinds.inc
    std::map<std::string, std::string, std::less<>> settings;
    std::map<std::string, secret_ref, std::less<>> secrets;
};

// How the gateway proves itself to an instance: exactly one of these.
struct credential {
    secret_ref api_key;
    std::optional<managed_identity_source> managed_identity;
    std::optional<application_source> workload_identity, client_secret, client_certificate;
    std::optional<other_source> source;
    std::vector<std::string> chain;  // names of others; the first that gives a token serves
};

inline constexpr std::string_view default_token_scope = "https://cognitiveservices.azure.com/.default";

}  // namespace spillway::config
