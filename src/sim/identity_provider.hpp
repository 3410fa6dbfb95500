#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "identity_faults.hpp"
#include "identity_tokens.hpp"

namespace spillway::sim {

// What goes back, and how.
struct identity_reply {
    answer what;
    duration delay{};  // before the answer
    bool hang{false};  // no answer at all
};

// Answers as Entra ID, as the metadata service of a virtual machine and as App Service do. Knows nothing of sockets.
class identity_provider {
public:
    // `wall` tells the seconds since 1970; without it the real ones.
    explicit identity_provider(const identity_options& o, std::function<std::int64_t()> wall = {});

    const identity_options& options() const noexcept { return options_; }
    token_office tokens;
    identity_fault_list faults;

    // The socket is bound to it: issuers follow from it.
    void set_bound(const std::string& address);
    const std::string& bound_url() const noexcept { return bound_url_; }
    identity_reply handle(const request& r);

    // Instances refuse every bearer token with this status until clear().
    void deny(const std::string& instance, int status) { denied_[instance] = status; }
    // What an instance answers to this token; nothing when it lets it in. `of_ours` is false for instances that take
    // other tokens than those made here.
    std::optional<answer> refuse(const std::string& instance, const std::vector<std::string>& audiences,
                                 const std::string& token, bool of_ours) const;

    bool knows_tenant(std::string_view tenant) const;
    // Counters, faults and denials. Keys and tokens stay.
    void clear();
    json to_json() const;

private:
    struct endpoint_counters {
        std::uint64_t requests{0}, unanswered{0};
        std::map<int, std::uint64_t> by_status;
        json last = json::object();  // fields of the last request, without those that are secret
    };
    using fields = std::map<std::string, std::string>;

    answer metadata(const std::string& tenant, bool v1) const;
    answer key_set(const std::string& tenant) const;
    answer unknown_tenant(const std::string& tenant) const;
    // The token endpoint's, with the number of an AADSTS code.
    answer refused(int status, std::string_view error, int code, std::string_view why) const;

    answer grant(const std::string& tenant, const request& r);
    std::optional<answer> refuse_credentials(const application_options& who, const fields& form,
                                             const std::string& endpoint) const;
    std::optional<answer> refuse_assertion(const application_options& who, const std::string& assertion,
                                           const std::string& endpoint) const;

    answer imds(const request& r);
    answer app_service(const request& r);
    // The identity that the query names; `id_name` is how it calls a resource id. Null when there is none.
    const managed_identity_options* find_managed(const request& r, const char* id_name, bool only_one_will_do) const;
    std::string managed_token(const managed_identity_options& whose, const std::string& resource);
    void note(identity_endpoint at, const fields& asked);

    answer serve(const request& r, identity_endpoint at, const std::string& tenant, bool v1);

    identity_options options_;
    std::string bound_url_;
    std::array<endpoint_counters, identity_endpoints> counters_;
    std::map<std::string, int> denied_;
};

// Fields of a form or a query, decoded; the first of each name counts.
std::map<std::string, std::string> form_fields(std::string_view text);

}  // namespace spillway::sim
