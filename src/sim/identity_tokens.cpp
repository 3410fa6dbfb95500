#include "identity_tokens.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace spillway::sim {
namespace {

std::string unique_mark() {
    std::array<char, 16> bytes{};
    if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size()) != 1)
        throw std::runtime_error("there is no randomness");
    return base64url({bytes.data(), bytes.size()});
}

}  // namespace

key_ring::key_ring() : current_(std::make_shared<const signing_key>()), published_{current_} {}

const signing_key& key_ring::unknown() {
    if (!unknown_) unknown_ = std::make_shared<const signing_key>();
    return *unknown_;
}

void key_ring::rotate(bool keep_old) {
    previous_ = current_;
    current_ = std::make_shared<const signing_key>();
    if (!keep_old) published_.clear();
    published_.insert(published_.begin(), current_);
}

token_office::token_office(duration lifetime, std::function<std::int64_t()> wall)
    : lifetime_(std::chrono::duration_cast<seconds>(lifetime).count()), wall_(std::move(wall)) {}

std::string token_office::issuer(const std::string& tenant, int version) const {
    return version == 1 ? authority + "/sts/" + tenant + "/" : authority + "/" + tenant + "/v2.0";
}

json token_office::header_of(const signing_key& by, int version) const {
    json out{{"typ", "JWT"}, {"alg", "RS256"}};
    if (version == 1) out["x5t"] = by.kid();
    out["kid"] = by.kid();
    return out;
}

json token_office::claims_of(const token_subject& whose) {
    const bool first = whose.version == 1;
    const std::int64_t from = now();
    json out{{"aud", whose.audience},
             {"iss", issuer(whose.tenant, whose.version)},
             {"iat", from},
             {"nbf", from},
             {"exp", from + lifetime_}};
    out[first ? "appid" : "azp"] = whose.client_id;
    out[first ? "appidacr" : "azpacr"] = whose.by_secret ? "1" : "2";
    if (first) out["idtyp"] = "app";
    out["oid"] = whose.object_id;
    if (!whose.roles.empty()) out["roles"] = whose.roles;
    out["sub"] = whose.object_id;
    out["tid"] = whose.tenant;
    out["uti"] = unique_mark();
    out["ver"] = first ? "1.0" : "2.0";
    return out;
}

std::string token_office::issue(const token_subject& whose) {
    forget_expired();
    const json claims = claims_of(whose);
    std::string token = make_jwt(header_of(keys.current(), whose.version), claims, keys.current());
    remembered_[token] = {whose.audience, claims["exp"].get<std::int64_t>()};
    ++issued_;
    return token;
}

void token_office::forget_expired() {
    constexpr std::size_t many = 10000;
    if (remembered_.size() < many) return;
    std::erase_if(remembered_, [at = now()](const auto& entry) { return entry.second.expires <= at; });
}

token_verdict token_office::judge(const std::string& token, const std::vector<std::string>& audiences) const {
    const auto at = remembered_.find(token);
    if (at == remembered_.end()) return token_verdict::unknown;
    const issued_token& t = at->second;
    if (t.revoked) return t.with_claims ? token_verdict::revoked_with_claims : token_verdict::revoked;
    if (t.expires <= now()) return token_verdict::expired;
    const bool fits = std::find(audiences.begin(), audiences.end(), t.audience) != audiences.end();
    return fits ? token_verdict::good : token_verdict::wrong_audience;
}

std::size_t token_office::revoke(bool with_claims) {
    for (auto& [token, t] : remembered_) {
        t.revoked = true;
        t.with_claims = with_claims;
    }
    return remembered_.size();
}

}  // namespace spillway::sim
