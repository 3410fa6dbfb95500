#pragma once

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>

#include <spillway/base/base64.hpp>

// An issuer of tokens, by OpenSSL alone, so that what is tested is not what makes the test.
namespace spillway::identity {

class signer {
public:
    explicit signer(unsigned bits = 2048) : key_(EVP_RSA_gen(bits), EVP_PKEY_free) {}

    std::string jwk(const std::string& id, const std::string& more = R"(,"use":"sig")") const {
        return R"({"kty":"RSA","kid":")" + id + R"(","n":")" + number("n") + R"(","e":")" + number("e") + "\"" +
               more + "}";
    }
    static std::string jwks(const std::string& keys) { return R"({"keys":[)" + keys + "]}"; }

    std::string sign(const std::string& header, const std::string& payload) const {
        std::string out = text::to_base64url(header) + "." + text::to_base64url(payload);
        std::string signature(static_cast<std::size_t>(EVP_PKEY_size(key_.get())), '\0');
        std::size_t size = signature.size();
        const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> c(EVP_MD_CTX_new(), EVP_MD_CTX_free);
        EVP_DigestSignInit(c.get(), nullptr, EVP_sha256(), nullptr, key_.get());
        EVP_DigestSign(c.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                       reinterpret_cast<const unsigned char*>(out.data()), out.size());
        return out + "." + text::to_base64url(signature);
    }

private:
    std::string number(const char* name) const {
        BIGNUM* n = nullptr;
        EVP_PKEY_get_bn_param(key_.get(), name, &n);
        std::string bytes(static_cast<std::size_t>(BN_num_bytes(n)), '\0');
        BN_bn2bin(n, reinterpret_cast<unsigned char*>(bytes.data()));
        BN_free(n);
        return text::to_base64url(bytes);
    }
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

inline const std::string usual_header = R"({"alg":"RS256","typ":"JWT","kid":"k1"})";

}  // namespace spillway::identity
