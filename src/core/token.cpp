#include <spillway/core/token.hpp>

#include <algorithm>

#include <spillway/base/text.hpp>

namespace spillway::core {
namespace {

bool has(const std::vector<std::string>& all, std::string_view one) noexcept {
    return std::find(all.begin(), all.end(), one) != all.end();
}

bool any_of(const std::vector<std::string>& wanted, const std::vector<std::string>& given) noexcept {
    return wanted.empty() ||
           std::any_of(wanted.begin(), wanted.end(), [&](const std::string& w) { return has(given, w); });
}

// Ids are GUIDs, whose letters may come in either case.
bool same_id(const std::string& wanted, const std::string& given) noexcept {
    return wanted.empty() || text::iequals(wanted, given);
}

bool matches(const token_rule& r, const token_claims& c) noexcept {
    if (!same_id(r.application, c.application) || !same_id(r.object, c.object)) return false;
    if (!r.subject.empty() && r.subject != c.subject) return false;
    if (!any_of(r.roles, c.roles) || !any_of(r.scopes, c.scopes) || !any_of(r.groups, c.groups)) return false;
    return std::all_of(r.claims.begin(), r.claims.end(), [&](const auto& wanted) {
        return std::find(c.others.begin(), c.others.end(), wanted) != c.others.end();
    });
}

int weight_of(const token_rule& r) noexcept {
    return (r.object.empty() && r.subject.empty() ? 0 : 64) + (r.application.empty() ? 0 : 32) +
           (r.roles.empty() ? 0 : 4) + (r.scopes.empty() ? 0 : 4) + (r.groups.empty() ? 0 : 4) +
           static_cast<int>(std::min<std::size_t>(r.claims.size(), 15));
}

struct words {
    std::string_view name, advice;
};
constexpr words of_error[] = {
    {"none", ""},
    {"token_malformed", "The token is no JSON Web Token of the usual form. Send the access token as it was given."},
    {"token_algorithm", "The token is not signed with RS256. Ask its issuer for another."},
    {"token_unknown_issuer", "This gateway does not take tokens of that issuer. Check the tenant."},
    {"token_unknown_key", "The token's signing key is not among the issuer's published keys. Get a fresh token."},
    {"token_keys_missing", "The issuer's keys are not known at the moment. Try again in a moment."},
    {"token_signature", "The token's signature is wrong. Send the access token unchanged."},
    {"token_wrong_issuer", "The token's issuer and tenant do not belong together. Check the tenant."},
    {"token_wrong_audience", "The token was made for another service. Ask for one with this gateway's scope."},
    {"token_expired", "The token has expired. Get a fresh one."},
    {"token_not_yet", "The token is not valid yet. Check the clocks."},
    {"token_no_expiry", "The token has no expiry. Ask its issuer for one that has."},
};

}  // namespace

std::string_view to_string(token_error e) noexcept { return of_error[static_cast<std::size_t>(e)].name; }
std::string_view describe(token_error e) noexcept { return of_error[static_cast<std::size_t>(e)].advice; }

token_error judge_claims(const token_claims& c, const token_expectation& wanted, wall_time now) noexcept {
    if (!has(wanted.issuers, c.issuer)) return token_error::wrong_issuer;
    if (!wanted.tenant.empty() && !text::iequals(wanted.tenant, c.tenant)) return token_error::wrong_issuer;
    if (std::none_of(c.audiences.begin(), c.audiences.end(),
                     [&](const std::string& a) { return has(wanted.audiences, a); }))
        return token_error::wrong_audience;
    if (!c.expires) return token_error::no_expiry;
    if (now >= believed_until(c, wanted)) return token_error::expired;
    if (c.not_before && now + wanted.skew < *c.not_before) return token_error::not_yet;
    return token_error::none;
}

wall_time believed_until(const token_claims& c, const token_expectation& wanted) noexcept {
    return c.expires ? *c.expires + wanted.skew : wall_time::min();
}

void token_rules::add(token_rule r) {
    const auto at = std::upper_bound(rules_.begin(), rules_.end(), weight_of(r),
                                     [](int w, const token_rule& other) { return w > weight_of(other); });
    rules_.insert(at, std::move(r));
}

std::optional<std::size_t> token_rules::find(const token_claims& c, std::size_t provider) const noexcept {
    for (const auto& r : rules_)
        if (r.provider == provider && matches(r, c)) return r.client;
    return std::nullopt;
}

}  // namespace spillway::core
