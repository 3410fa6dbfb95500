#include <memory>

#include "identity_fixture.hpp"

using namespace spillway;
using namespace spillway::sim;

namespace {

using key_ptr = std::shared_ptr<EVP_PKEY>;

struct client {
    key_ptr key{EVP_RSA_gen(2048), EVP_PKEY_free};
    std::string thumbprint;
    std::string file;

    explicit client(const identity_directory& dir) : file(dir.path + "/client.pem") {
        X509* c = X509_new();
        X509_gmtime_adj(X509_getm_notBefore(c), 0);
        X509_gmtime_adj(X509_getm_notAfter(c), 3600);
        X509_set_pubkey(c, key.get());
        X509_sign(c, key.get(), EVP_sha256());
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned int size = 0;
        X509_digest(c, EVP_sha256(), digest, &size);
        thumbprint = base64url({reinterpret_cast<char*>(digest), size});
        std::FILE* f = std::fopen(file.c_str(), "w");
        PEM_write_X509(f, c);
        std::fclose(f);
        X509_free(c);
    }
    std::string assertion(const json& header, const json& claims) const {
        const std::string what = base64url(to_text(header)) + "." + base64url(to_text(claims));
        EVP_MD_CTX* context = EVP_MD_CTX_new();
        EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key.get());
        std::string signature(256, '\0');
        std::size_t size = signature.size();
        EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                       reinterpret_cast<const unsigned char*>(what.data()), what.size());
        EVP_MD_CTX_free(context);
        return what + "." + base64url(signature);
    }
};

class sim_identity_assertion : public ::testing::Test {
protected:
    sim_identity_assertion() : me(dir), at(settings(), [] { return now; }) {}

    identity_options settings() {
        identity_options o;
        o.address = "127.0.0.1:1";
        o.tls = true;
        o.tenants = {tenant};
        o.applications.push_back({tenant, "by-key", "o", "", me.file, "", {}});
        o.applications.push_back({tenant, "by-file", "o", "", "", dir.path + "/federated", {}});
        return o;
    }
    // The status and the number of the refusal; "200" when there is a token.
    std::string send(const std::string& client_id, const std::string& assertion,
                     const std::string& type = "jwt-bearer") {
        request r;
        r.method = "POST";
        r.set_target("/" + tenant + "/oauth2/v2.0/token");
        r.headers = {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}};
        r.body = "grant_type=client_credentials&scope=api%3A%2F%2Fx%2F.default&client_id=" + client_id +
                 "&client_assertion=" + assertion +
                 "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3A" + type;
        const answer a = at.handle(r).what;
        const json body = json::parse(a.pieces.at(0).bytes);
        if (a.status == 200) claims = parse_jwt(body["access_token"].get<std::string>())->claims;
        return std::to_string(a.status) + (a.status == 200 ? "" : " " + body["error_codes"][0].dump());
    }
    std::string signed_by_me(const json& over, const json& header_over = json::object()) {
        json c{{"iss", "by-key"},
               {"sub", "by-key"},
               {"aud", "https://127.0.0.1:1/" + tenant + "/oauth2/v2.0/token"},
               {"nbf", now},
               {"exp", now + 600}};
        if (over.is_object()) c.update(over);
        json h{{"alg", "RS256"}, {"x5t#S256", me.thumbprint}};
        h.update(header_over);
        return send("by-key", me.assertion(h, c));
    }

    static constexpr std::int64_t now = 1'800'000'000;
    identity_directory dir;
    client me;
    identity_provider at;
    json claims;
};

}  // namespace

TEST_F(sim_identity_assertion, a_certificate_proves_its_application) {
    EXPECT_EQ(signed_by_me({}), "200");
    EXPECT_EQ(claims["azp"], "by-key");
    EXPECT_EQ(claims["azpacr"], "2");
    EXPECT_EQ(claims["aud"], "api://x");
}

TEST_F(sim_identity_assertion, a_padded_thumbprint_names_the_certificate_as_well) {
    EXPECT_EQ(signed_by_me({}, {{"x5t#S256", me.thumbprint + "="}}), "200");
}

TEST_F(sim_identity_assertion, times_may_have_a_fraction) {
    EXPECT_EQ(signed_by_me({{"exp", static_cast<double>(now) + 0.5}}), "200");
}

TEST_F(sim_identity_assertion, an_assertion_has_to_be_right_in_every_part) {
    EXPECT_EQ(signed_by_me({{"iss", "other"}}), "401 700021");
    EXPECT_EQ(signed_by_me({{"sub", "other"}}), "401 700021");
    EXPECT_EQ(signed_by_me({{"aud", "https://elsewhere"}}), "401 700023");
    EXPECT_EQ(signed_by_me({{"exp", now - 301}}), "401 700024");
    EXPECT_EQ(signed_by_me({{"exp", nullptr}}), "401 700024");
    EXPECT_EQ(signed_by_me({{"nbf", now + 301}}), "401 700024");
    EXPECT_EQ(signed_by_me({}, {{"alg", "PS256"}}), "401 700027") << "signed in another way than it says";
    EXPECT_EQ(signed_by_me({}, {{"alg", "none"}}), "401 700027");
    EXPECT_EQ(signed_by_me({}, {{"x5t#S256", nullptr}}), "401 700027") << "no certificate is named";
    EXPECT_EQ(signed_by_me({}, {{"x5t", "AAAA"}}), "401 700027");
    EXPECT_EQ(send("by-key", "x.y.z"), "401 50027");
    EXPECT_EQ(send("by-key", "x.y.z", "saml2-bearer"), "400 900144");
}

TEST_F(sim_identity_assertion, a_federated_token_is_what_the_file_holds_now) {
    EXPECT_EQ(send("by-file", "first"), "401 70021") << "there is no file yet";
    dir.write("federated", "first\n");
    EXPECT_EQ(send("by-file", "first"), "200");
    dir.write("federated", "second");
    EXPECT_EQ(send("by-file", "first"), "401 70021");
    EXPECT_EQ(send("by-file", "second"), "200");
}
