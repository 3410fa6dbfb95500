#include <spillway/identity/json_web_token.hpp>

#include <cjose/header.h>
#include <cjose/jwk.h>
#include <cjose/jws.h>
#include <openssl/err.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include <spillway/base/base64.hpp>
#include <spillway/base/text.hpp>

#include "documents.hpp"

namespace spillway::identity {
namespace {

using json = nlohmann::json;
using core::token_error;

constexpr std::size_t longest_header = 4096, longest_key_id = 256, most_values = 512;

fault invalid(std::string message) {
    return {.code = "JwksInvalid", .who = origin::upstream, .message = std::move(message)};
}

// Nothing for what is no object, also for one that names a member twice: two readers could see two tokens.
json read_object(std::string_view text) {
    // The parser takes a zero for the end and would not look at what follows.
    if (text.find('\0') != std::string_view::npos) return nullptr;
    std::vector<std::set<std::string>> seen;  // an attacker may send many members
    bool twice = false;
    const json::parser_callback_t watch = [&](int, json::parse_event_t event, json& parsed) {
        if (event == json::parse_event_t::object_start) seen.emplace_back();
        if (event == json::parse_event_t::object_end && !seen.empty()) seen.pop_back();
        if (event == json::parse_event_t::key && !seen.empty()) {
            twice |= !seen.back().insert(parsed.get_ref<const std::string&>()).second;
        }
        return true;
    };
    json out = json::parse(text, watch, false);
    if (twice || !out.is_object()) return nullptr;
    return out;
}

// A text, or a list of texts.
std::vector<std::string> texts_of(const json& from, const char* name) {
    std::vector<std::string> out;
    const auto at = from.find(name);
    if (at == from.end()) return out;
    if (at->is_string()) out.push_back(at->get<std::string>());
    if (at->is_array())
        for (const auto& one : *at)
            if (one.is_string() && out.size() < most_values) out.push_back(one.get<std::string>());
    return out;
}

std::optional<wall_time> time_of(const json& from, const char* name) {
    const auto at = from.find(name);
    // Beyond the year 2100 a number means something else than it says.
    constexpr double latest = 4102444800.0;
    if (at == from.end() || !at->is_number()) return std::nullopt;
    const double s = at->get<double>();
    if (!(s >= 0 && s <= latest)) return std::nullopt;
    return wall_time(seconds(static_cast<std::int64_t>(s)));
}

std::vector<std::string> words_of(const std::string& text) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at < text.size() && out.size() < most_values;) {
        const auto end = std::min(text.find(' ', at), text.size());
        if (end > at) out.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

// OpenSSL keeps errors for the thread. One that is left behind would be taken for a failure of the next TLS
// connection of this thread, to a client or a backend.
struct no_error_left {
    ~no_error_left() { ERR_clear_error(); }
};

struct jws_release {
    void operator()(cjose_jws_t* p) const noexcept { cjose_jws_release(p); }
};

}  // namespace

token_error read_head(std::string_view token, token_head& out) {
    if (token.size() > longest_token) return token_error::malformed;
    const auto first = token.find('.');
    const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
    if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
        return token_error::malformed;
    if (first > longest_header) return token_error::malformed;
    const auto header_text = text::from_base64url(token.substr(0, first));
    const auto payload_text = text::from_base64url(token.substr(first + 1, second - first - 1));
    if (!header_text || !payload_text) return token_error::malformed;
    const json header = read_object(*header_text);
    if (header.is_null()) return token_error::malformed;
    const auto algorithm = header.find("alg");
    if (algorithm == header.end() || *algorithm != "RS256") return token_error::algorithm;
    if (second + 1 == token.size() || !text::from_base64url(token.substr(second + 1))) return token_error::malformed;
    // What is marked critical has to be understood, and nothing of it is. A content type says that another token is
    // inside; `zip` and `enc` belong to encryption, `b64` changes what was signed.
    for (const char* name : {"crit", "cty", "zip", "enc", "b64"})
        if (header.contains(name)) return token_error::malformed;
    if (const auto typ = header.find("typ"); typ != header.end()) {
        const std::string word = typ->is_string() ? typ->get<std::string>() : std::string("?");
        if (!text::iequals(word, "JWT") && !text::iequals(word, "at+jwt") &&
            !text::iequals(word, "application/at+jwt"))
            return token_error::malformed;
    }
    out.key_id = text_of(header, "kid");
    if (out.key_id.empty() || out.key_id.size() > longest_key_id) return token_error::malformed;
    const json payload = read_object(*payload_text);
    if (payload.is_null()) return token_error::malformed;
    out.issuer = text_of(payload, "iss");
    return out.issuer.empty() ? token_error::malformed : token_error::none;
}

namespace {

// A number of a key without the zeros in front. Empty: it is none.
std::string number_of(const json& key, const char* name) {
    auto bytes = text::from_base64url(text_of(key, name)).value_or("");
    bytes.erase(0, std::min(bytes.find_first_not_of('\0'), bytes.size()));
    return bytes;
}

std::size_t bits_of(std::string_view number) noexcept {
    return number.empty() ? 0
                          : 8 * (number.size() - 1) +
                                static_cast<std::size_t>(std::bit_width(static_cast<unsigned char>(number.front())));
}

bool is_odd(std::string_view number) noexcept { return !number.empty() && (number.back() & 1) != 0; }

// Why no token may be verified with such a key; empty: one may.
std::string_view trouble_with(std::string_view modulus, std::string_view exponent) noexcept {
    constexpr std::size_t least_bits = 2048, most_bits = 8192, most_exponent_bits = 64;
    if (modulus.empty() || exponent.empty()) return "its numbers are no base64url";
    if (bits_of(modulus) < least_bits) return "it is shorter than 2048 bits";
    if (bits_of(modulus) > most_bits) return "it is longer than 8192 bits";
    if (!is_odd(modulus)) return "its modulus is even";
    // The least one is 1 00 01: no shorter number is as large, and no number of three bytes that is odd is between.
    const bool small = exponent.size() < 3 || (exponent.size() == 3 && exponent < std::string_view("\x01\0\x01", 3));
    if (small || !is_odd(exponent)) return "its exponent is even, or below 65537";
    return bits_of(exponent) > most_exponent_bits ? "its exponent is longer than 64 bits" : std::string_view();
}

// -1: not for signatures of ours; 0: says that it is; 1: does not say.
int rank_of(const json& key) {
    if (!key.is_object() || text_of(key, "kty") != "RSA" || text_of(key, "kid").empty()) return -1;
    const auto use = text_of(key, "use"), algorithm = text_of(key, "alg");
    if ((!use.empty() && use != "sig") || (!algorithm.empty() && algorithm != "RS256")) return -1;
    return use == "sig" ? 0 : 1;
}

}  // namespace

result<key_set> key_set::parse(std::string_view jwks) {
    const no_error_left at_end;
    const json all = json::parse(jwks, nullptr, false);
    if (!all.is_object() || !all.contains("keys") || !all["keys"].is_array())
        return invalid("the document has no list of keys");
    key_set out;
    for (const int rank : {0, 1})
        for (const auto& one : all["keys"])
            if (rank_of(one) == rank) out.add(text_of(one, "kid"), number_of(one, "n"), number_of(one, "e"));
    if (!out.keys_.empty()) return out;
    const auto why = out.left_out_.why;
    return invalid("the document holds no RSA key for signatures" +
                   (why.empty() ? std::string() : " that may be used: of the first, " + std::string(why)));
}

void key_set::add(const std::string& id, const std::string& modulus, const std::string& exponent) {
    const auto refuse = [this](std::string_view why) {
        if (left_out_.unfit++ == 0) left_out_.why = why;
    };
    if (const auto why = trouble_with(modulus, exponent); !why.empty()) return refuse(why);
    std::string fingerprint = text::to_base64url(modulus) + "." + text::to_base64url(exponent);
    if (const auto* known = find(id); known != nullptr) {
        if (known->fingerprint != fingerprint) refuse("another key has the same id");
        return;
    }
    if (keys_.size() >= most_keys) {
        ++left_out_.more;
        return;
    }
    // Only the public half, whatever else the document holds.
    const json bare{
        {"kty", "RSA"}, {"kid", id}, {"n", text::to_base64url(modulus)}, {"e", text::to_base64url(exponent)}};
    const std::string text = bare.dump();
    cjose_jwk_t* jwk = cjose_jwk_import(text.data(), text.size(), nullptr);
    if (jwk == nullptr) return refuse("it cannot be read");
    keys_.push_back({id, std::move(fingerprint), std::shared_ptr<void>(jwk, release{})});
}

void key_set::release::operator()(void* jwk) const noexcept { cjose_jwk_release(static_cast<cjose_jwk_t*>(jwk)); }

const key_set::key* key_set::find(std::string_view key_id) const noexcept {
    const auto at = std::find_if(keys_.begin(), keys_.end(), [&](const key& k) { return k.id == key_id; });
    return at == keys_.end() ? nullptr : &*at;
}

std::vector<std::string> key_set::ids() const {
    std::vector<std::string> out;
    for (const auto& k : keys_) out.push_back(k.id + "|" + k.fingerprint);
    std::sort(out.begin(), out.end());
    return out;
}

token_error verify_signature(std::string_view token, const key_set& keys, const token_head& head,
                             std::string& payload) {
    const no_error_left at_end;
    const auto* key = keys.find(head.key_id);
    if (key == nullptr) return token_error::unknown_key;
    const std::unique_ptr<cjose_jws_t, jws_release> jws(cjose_jws_import(token.data(), token.size(), nullptr));
    if (!jws) return token_error::malformed;
    // The library goes by its own reading of the header, so that is the one to be sure of.
    auto* header = cjose_jws_get_protected(jws.get());
    const char* algorithm = header == nullptr ? nullptr : cjose_header_get(header, CJOSE_HDR_ALG, nullptr);
    if (algorithm == nullptr || std::string_view(algorithm) != "RS256") return token_error::algorithm;
    if (!cjose_jws_verify(jws.get(), static_cast<const cjose_jwk_t*>(key->jwk.get()), nullptr))
        return token_error::signature;
    std::uint8_t* bytes = nullptr;
    std::size_t size = 0;
    if (!cjose_jws_get_plaintext(jws.get(), &bytes, &size, nullptr)) return token_error::malformed;
    payload.assign(reinterpret_cast<const char*>(bytes), size);
    return token_error::none;
}

token_error read_claims(std::string_view payload, core::token_claims& out) {
    const json from = read_object(payload);
    if (from.is_null()) return token_error::malformed;
    out.issuer = text_of(from, "iss");
    out.tenant = text_of(from, "tid");
    out.subject = text_of(from, "sub");
    out.object = text_of(from, "oid");
    out.application = text_of(from, text_of(from, "ver") == "1.0" ? "appid" : "azp");
    out.audiences = texts_of(from, "aud");
    out.roles = texts_of(from, "roles");
    out.groups = texts_of(from, "groups");
    out.scopes = words_of(text_of(from, "scp"));
    out.expires = time_of(from, "exp");
    out.not_before = time_of(from, "nbf");
    if (from.contains("nbf") && !out.not_before) return token_error::malformed;
    for (const auto& [name, value] : from.items()) {
        if (out.others.size() >= most_values) break;
        for (auto& text : texts_of(from, name.c_str())) out.others.emplace_back(name, std::move(text));
        if (value.is_boolean()) out.others.emplace_back(name, value.get<bool>() ? "true" : "false");
    }
    return token_error::none;
}

}  // namespace spillway::identity
