#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spillway/base/time.hpp>

// Who a token stands for. The signature is checked in `identity`; here its claims are judged.
namespace spillway::core {

// What a token says, as far as it is used here. Claims that are no text or list of texts are not kept.
struct token_claims {
    std::string issuer, tenant, subject, application, object;
    std::vector<std::string> audiences, roles, scopes, groups;
    std::optional<wall_time> not_before, expires;
    std::vector<std::pair<std::string, std::string>> others;  // a list gives one pair for each of its texts
};

// What a provider's tokens have to say.
struct token_expectation {
    std::vector<std::string> issuers;  // `iss` has to be one of them
    std::string tenant;                // of an Entra tenant: `tid` has to be it; empty: not asked
    std::vector<std::string> audiences;
    duration skew{minutes(2)};
};

enum class token_error : std::uint8_t {
    none,
    malformed,       // no token, or one of a form that is refused
    algorithm,       // not RS256
    unknown_issuer,  // no provider has this issuer
    unknown_key,     // the provider has no key of that id
    keys_missing,    // the provider's keys could not be read yet
    signature,       // does not fit the key
    wrong_issuer,    // issuer and tenant do not belong together
    wrong_audience,  // made for another API
    expired,
    not_yet,
    no_expiry,
};
std::string_view to_string(token_error e) noexcept;  // stable words, for logs and metrics
std::string_view describe(token_error e) noexcept;   // for the caller: what to do

token_error judge_claims(const token_claims& c, const token_expectation& wanted, wall_time now) noexcept;

// Until when a verified token may be believed without another look.
wall_time believed_until(const token_claims& c, const token_expectation& wanted) noexcept;

// A client by its tokens. Empty fields are not asked; of a list, one entry is enough.
struct token_rule {
    std::size_t client{0};
    std::size_t provider{0};
    std::string application, object, subject;
    std::vector<std::string> roles, scopes, groups;
    std::vector<std::pair<std::string, std::string>> claims;
};

// The clients that tokens stand for. The rule that asks the most decides: object before application before roles,
// scopes, groups and claims; of equals, the first.
class token_rules {
public:
    void add(token_rule r);
    std::optional<std::size_t> find(const token_claims& c, std::size_t provider) const noexcept;
    bool empty() const noexcept { return rules_.empty(); }

private:
    std::vector<token_rule> rules_;  // the most asking first
};

}  // namespace spillway::core
