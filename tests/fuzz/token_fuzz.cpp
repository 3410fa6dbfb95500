// Everything that is read of a token, of a set of keys and of a certificate in a header, before anybody is believed.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <spillway/base/base64.hpp>
#include <spillway/identity/client_certificate.hpp>
#include <spillway/identity/json_web_token.hpp>

using namespace spillway;

namespace {

void require(bool what) {
    if (!what) std::abort();
}

// One text has one spelling; else a token could be changed without its signature telling.
void try_base64(const std::string& text) {
    const auto bytes = text::from_base64url(text);
    if (bytes) require(text::to_base64url(*bytes) == text);
    require(text::from_base64url(text::to_base64url(text)) == text);
}

constexpr std::string_view certificate =
    "MIIBaTCCAQ+gAwIBAgIUeFvKO/hU5ajK7s5Nk6a0VJul+T0wCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBcDAgFw0yNjExMjQwMzMy"
    "MzRaGA8yMTI2MTAzMTAzMzIzNFowDDEKMAgGA1UEAwwBcDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFD9DrukjK6nDqfo1NMz"
    "wpJssKWDRq+87UExJuSS77dSkXcFACGH0tScjNaWMFp+G1F6tPa94iQQiEtFlpLUUZ6jTTBLMB0GA1UdDgQWBBRViYQGFOKH7W2p"
    "6FSNfjlGRYMzsjAfBgNVHSMEGDAWgBRViYQGFOKH7W2p6FSNfjlGRYMzsjAJBgNVHRMEAjAAMAoGCCqGSM49BAMCA0gAMEUCIQC9"
    "2VyorgHrzaWSgedb/TSTsjOVro9GguIESigdUWD8mgIgHcTPNcJN0YMBOYWKvlwX9NLrn5ThvIqB0/tYLPfZQEM=";

// What a client sends in front of the proxy's own element makes the whole worthless at most.
void try_in_front(const std::string& text) {
    static const auto own = identity::read_forwarded_certificate(certificate, nullptr);
    require(own.has_value());
    const std::string plus = text + ",Hash=1;Cert=\"" + std::string(certificate) + "\";Subject=\"CN=a\\\"b,O=c\"";
    const auto found = identity::read_forwarded_certificate(plus, nullptr);
    if (found) require(found->fingerprint == own->fingerprint);
    const std::string without = text + ",Hash=1;URI=b";
    require(!identity::read_forwarded_certificate(without, nullptr));
}

void try_token(const std::string& text) {
    identity::token_head head;
    if (identity::read_head(text, head) != core::token_error::none) return;
    require(!head.key_id.empty() && !head.issuer.empty() && text.size() <= identity::longest_token);
    // The issuer whose keys are looked up is the one that is judged afterwards.
    const auto first = text.find('.'), second = text.rfind('.');
    const auto claimed = text::from_base64url(std::string_view(text).substr(first + 1, second - first - 1));
    require(claimed.has_value());
    core::token_claims claims;
    if (identity::read_claims(*claimed, claims) == core::token_error::none) require(claims.issuer == head.issuer);
    static const auto keys = identity::key_set::parse(
        R"({"keys":[{"kty":"RSA","kid":"k1","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}]})");
    require(keys.has_value());
    std::string payload;
    // Nobody here has the private half.
    require(identity::verify_signature(text, *keys, head, payload) != core::token_error::none);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0]) {
        case 'j': {
            const auto keys = identity::key_set::parse(text);
            if (keys) require(keys->size() > 0 && keys->size() <= 64 && keys->ids().size() == keys->size());
            break;
        }
        case 'c': {
            core::token_claims claims;
            if (identity::read_claims(text, claims) == core::token_error::none)
                core::judge_claims(claims, {{claims.issuer}, "", {"a"}, minutes(2)}, wall_time(hours(500'000)));
            break;
        }
        case 'b': try_base64(text); break;
        case 'p': try_in_front(text); break;
        case 'x': {
            const auto read = identity::read_forwarded_certificate(text, nullptr);
            if (read) require(read->names.empty());
            break;
        }
        default: try_token(text);
    }
    return 0;
}
