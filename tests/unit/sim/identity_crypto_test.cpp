#include "../../../src/sim/identity_crypto.hpp"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

using namespace spillway::sim;

namespace {

const unsigned char* bytes_of(const std::string& s) { return reinterpret_cast<const unsigned char*>(s.data()); }

// What a client makes of an entry of the JWKS.
std::shared_ptr<EVP_PKEY> key_of(const json& jwk) {
    const std::string n = *base64url_decoded(jwk["n"].get<std::string>());
    const std::string e = *base64url_decoded(jwk["e"].get<std::string>());
    BIGNUM* modulus = BN_bin2bn(bytes_of(n), static_cast<int>(n.size()), nullptr);
    BIGNUM* exponent = BN_bin2bn(bytes_of(e), static_cast<int>(e.size()), nullptr);
    OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus);
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent);
    OSSL_PARAM* params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr);
    EVP_PKEY* key = nullptr;
    EVP_PKEY_fromdata_init(context);
    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    BN_free(modulus);
    BN_free(exponent);
    return {key, EVP_PKEY_free};
}

bool verifies(EVP_PKEY* key, const EVP_MD* digest, bool pss, const jwt_parts& token) {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* how = nullptr;
    EVP_DigestVerifyInit(context, &how, digest, nullptr, key);
    if (pss) EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING);
    const bool good = EVP_DigestVerify(context, bytes_of(token.signature), token.signature.size(),
                                       bytes_of(token.signed_text), token.signed_text.size()) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

jwt_parts made(const signing_key& key, const char* algorithm) {
    return *parse_jwt(make_jwt({{"alg", algorithm}}, {{"sub", "x"}}, key));
}

}  // namespace

TEST(identity_crypto, base64url_goes_both_ways_without_padding) {
    for (const std::string s : {"", "a", "ab", "abc", "\xff\xfe\xfd\xfc"}) {
        const std::string text = base64url(s);
        EXPECT_EQ(text.find_first_of("+/="), std::string::npos);
        EXPECT_EQ(base64url_decoded(text), s);
    }
    EXPECT_EQ(base64url("\xff\xff"), "__8");
    for (const char* bad : {"a", "YQ==", "a+b/", "a b=", "Y\nQ"}) EXPECT_FALSE(base64url_decoded(bad)) << bad;
    EXPECT_EQ(base64("\xff\xff"), "//8=");
}

TEST(identity_crypto, the_jwk_verifies_what_its_key_signed) {
    const signing_key key, other;
    const json jwk = key.jwk();
    EXPECT_EQ(jwk["kid"], key.kid());
    EXPECT_EQ(jwk["kty"], "RSA");
    EXPECT_EQ(jwk["e"], "AQAB");
    const auto shown = key_of(jwk), wrong = key_of(other.jwk());
    const jwt_parts token = made(key, "RS256");
    EXPECT_TRUE(verifies(shown.get(), EVP_sha256(), false, token));
    EXPECT_FALSE(verifies(wrong.get(), EVP_sha256(), false, token));
    jwt_parts changed = token;
    changed.signed_text.back() ^= 1;
    EXPECT_FALSE(verifies(shown.get(), EVP_sha256(), false, changed));
    EXPECT_TRUE(verifies(shown.get(), EVP_sha384(), false, made(key, "RS384")));
    EXPECT_TRUE(verifies(shown.get(), EVP_sha512(), false, made(key, "RS512")));
    EXPECT_TRUE(verifies(shown.get(), EVP_sha256(), true, made(key, "PS256")));
    EXPECT_TRUE(verifies(shown.get(), EVP_sha256(), false, made(key, "ES256"))) << "a token that lies";
}

TEST(identity_crypto, none_has_an_empty_signature) {
    const signing_key key;
    EXPECT_TRUE(make_jwt({{"alg", "none"}}, {{"sub", "x"}}, key).ends_with('.'));
    EXPECT_EQ(made(key, "none").signature, "");
}

TEST(identity_crypto, hs256_takes_the_public_key_for_a_secret) {
    const signing_key key;
    const jwt_parts token = made(key, "HS256");
    const std::string secret = key.public_pem();
    EXPECT_EQ(secret.find("-----BEGIN PUBLIC KEY-----"), 0U);
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), bytes_of(token.signed_text),
         token.signed_text.size(), out, &size);
    EXPECT_EQ(token.signature, std::string(reinterpret_cast<char*>(out), size));
}

TEST(identity_crypto, only_three_parts_of_two_objects_are_a_token) {
    const std::string empty = base64url("{}");
    EXPECT_TRUE(parse_jwt(empty + "." + empty + "."));
    for (const std::string& bad : {std::string(), empty, empty + "." + empty, empty + "." + empty + ".a.b",
                                   base64url("[]") + "." + empty + ".", empty + ".!!!!.", empty + "." + empty + ".a"})
        EXPECT_FALSE(parse_jwt(bad)) << bad;
}

TEST(identity_crypto, what_is_no_certificate_is_not_read) {
    EXPECT_FALSE(client_certificate::read("/nowhere/at/all.pem"));
    EXPECT_FALSE(client_certificate::read(SPILLWAY_SOURCE_DIR "/README.md"));
}
