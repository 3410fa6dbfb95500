// Everything that is read of a token, of a set of keys and of a certificate in a header, before anybody is believed.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <spillway/identity/client_certificate.hpp>
#include <spillway/identity/json_web_token.hpp>

using namespace spillway;

namespace {

void require(bool what) {
    if (!what) std::abort();
}

void try_token(const std::string& text) {
    identity::token_head head;
    if (identity::read_head(text, head) != core::token_error::none) return;
    require(!head.key_id.empty() && !head.issuer.empty() && text.size() <= identity::longest_token);
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
        case 'x': {
            const auto certificate = identity::read_forwarded_certificate(text, nullptr);
            if (certificate) require(certificate->names.empty());
            break;
        }
        default: try_token(text);
    }
    return 0;
}
