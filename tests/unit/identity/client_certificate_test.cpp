#include <spillway/identity/client_certificate.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "paper.hpp"

namespace spillway::identity {
namespace {

const char* const all_names = "DNS:shop.example,URI:spiffe://x/shop,email:a@x.example,IP:10.0.0.7,IP:2001:db8::7";

const paper& authority() {
    static const paper p({.common_name = "ca", .alternative_names = {}, .authority = true, .usage = {}});
    return p;
}
const paper& shop() {
    static const paper p({.alternative_names = all_names, .usage = {}}, &authority());
    return p;
}
const paper& other() {
    static const paper p({.common_name = "other", .alternative_names = "DNS:other.example", .usage = {}});
    return p;
}

trust_store trust() {
    trust_store out(X509_STORE_new(), X509_STORE_free);
    X509_STORE_add_cert(out.get(), authority().get());
    return out;
}

std::string escaped(const std::string& s) {
    constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : s) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0) out += c;
        else (out += '%', out += digits[static_cast<unsigned char>(c) >> 4], out += digits[c & 15]);
    }
    return out;
}

const core::certificate_digest nobody{};

// Whose certificate is read out of a header; zeros when none is.
core::certificate_digest holder(const std::string& value) {
    const auto found = read_forwarded_certificate(value, nullptr);
    return found ? found->fingerprint : nobody;
}

TEST(read_certificate, tells_names_of_every_kind_when_somebody_stands_for_them) {
    const auto c = read_certificate(shop().get(), true);
    EXPECT_EQ(c.fingerprint, shop().fingerprint());
    EXPECT_EQ(c.names, (std::vector<std::string>{"dns:shop.example", "uri:spiffe://x/shop", "email:a@x.example",
                                                 "ip:10.0.0.7", "ip:2001:db8::7"}));
    EXPECT_TRUE(read_certificate(shop().get(), false).names.empty());
    EXPECT_EQ(read_certificate(shop().get(), false).fingerprint, shop().fingerprint());
}

TEST(read_certificate, a_common_name_is_no_name) {
    const paper plain({.common_name = "shop.example", .alternative_names = {}, .usage = {}}, &authority());
    EXPECT_TRUE(read_certificate(plain.get(), true).names.empty());
}

TEST(read_certificate, a_name_with_a_zero_inside_is_none) {
    // OpenSSL's own spelling cannot make one, so the bytes are put in by hand.
    const paper host({.alternative_names = "DNS:shop.exampleX.evil", .usage = {}});
    std::string der = host.der();
    der[der.find("shop.exampleX") + 12] = '\0';
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    const std::unique_ptr<X509, decltype(&X509_free)> parsed(d2i_X509(nullptr, &at, static_cast<long>(der.size())),
                                                             X509_free);
    ASSERT_TRUE(parsed);
    EXPECT_TRUE(read_certificate(parsed.get(), true).names.empty());
}

TEST(read_certificate, tells_its_time) {
    const auto c = read_certificate(shop().get(), false);
    EXPECT_EQ(c.expires - c.not_before, hours(25));
    EXPECT_LT(c.not_before, wall_clock::now());
    EXPECT_GT(c.expires, wall_clock::now());
}

TEST(forwarded_certificate, comes_in_three_forms) {
    EXPECT_EQ(holder(shop().base64()), shop().fingerprint()) << "App Service";
    EXPECT_EQ(holder(escaped(shop().pem())), shop().fingerprint()) << "nginx";
    EXPECT_EQ(holder("Hash=aa;Cert=\"" + escaped(shop().pem()) + "\";Subject=\"CN=a,O=b;c\\\"d\";URI=x"),
              shop().fingerprint())
        << "Envoy";
    EXPECT_EQ(holder("By=spiffe://y;cert=" + escaped(shop().pem())), shop().fingerprint());
}

TEST(forwarded_certificate, of_several_elements_the_last_one_counts) {
    const std::string a = "Hash=aa;Cert=\"" + escaped(other().pem()) + "\"";
    const std::string b = "Hash=bb;Cert=\"" + escaped(shop().pem()) + "\"";
    EXPECT_EQ(holder(a + "," + b), shop().fingerprint());
    EXPECT_EQ(holder(b + ", " + a), other().fingerprint());
    EXPECT_EQ(holder(b + ",Hash=cc;Subject=\"CN=x\""), nobody) << "the last one has no certificate";
    EXPECT_EQ(holder(b + ","), nobody);
}

TEST(forwarded_certificate, names_count_when_an_authority_signs_them) {
    const auto names = [](const paper& p, const trust_store& t) {
        const auto c = read_forwarded_certificate(p.base64(), t);
        return c ? c->names.size() : 99U;
    };
    EXPECT_EQ(names(shop(), trust()), 5U);
    EXPECT_EQ(names(shop(), nullptr), 0U);
    EXPECT_EQ(names(other(), trust()), 0U) << "signed by itself";
    const paper stranger({.common_name = "ca", .alternative_names = {}, .authority = true, .usage = {}});
    const paper forged({.alternative_names = all_names, .usage = {}}, &stranger);
    EXPECT_EQ(names(forged, trust()), 0U) << "an authority of the same name";
    const paper server({.alternative_names = all_names, .usage = "serverAuth"}, &authority());
    EXPECT_EQ(names(server, trust()), 0U) << "made for servers";
    const paper client({.alternative_names = all_names, .usage = "clientAuth"}, &authority());
    EXPECT_EQ(names(client, trust()), 5U);
    const paper old({.alternative_names = all_names, .usage = {}, .from = -7200, .until = -3600}, &authority());
    EXPECT_EQ(names(old, trust()), 0U) << "expired";
}

TEST(forwarded_certificate, what_cannot_be_read_is_nobodys) {
    const std::string good = shop().base64();
    for (const auto& bad :
         {std::string(), std::string("%"), std::string("%4"), std::string("%zz"), std::string("AAAA"),
          std::string("(null)"), std::string("Hash=aa"), std::string("Cert="), std::string("Cert=\"\""),
          std::string("Cert=\""), std::string("Cert=\"\\"), good.substr(0, good.size() / 2), good + good, good + "!",
          escaped("-----BEGIN CERTIFICATE-----\n"), std::string(20'000, 'A')})
        EXPECT_EQ(holder(bad), nobody) << bad.substr(0, 60);
    std::string changed = shop().der();
    changed += '\0';
    EXPECT_EQ(holder(escaped(changed)), nobody);
}

class trust_file : public ::testing::Test {
protected:
    void TearDown() override { std::remove(path.c_str()); }
    const std::string path = ::testing::TempDir() + "spillway_trust_" + std::to_string(::getpid()) + ".pem";
};

TEST_F(trust_file, holds_authorities) {
    std::ofstream(path) << authority().pem();
    const auto read = load_trust(path);
    ASSERT_TRUE(read);
    EXPECT_EQ(read_forwarded_certificate(shop().base64(), *read)->names.size(), 5U);
}

TEST_F(trust_file, without_any_is_an_error) {
    EXPECT_EQ(load_trust(path).error().code, "TlsFile");
    std::ofstream(path) << "nothing\n";
    EXPECT_EQ(load_trust(path).error().code, "TlsFile");
}

// A client behind a proxy that appends must not make the proxy's element vanish: not inside quotes that it leaves
// open, nor by a first element of a form that has no elements.
TEST(forwarded_certificate, whatever_comes_in_front_the_last_element_counts) {
    const std::string stolen = escaped(other().pem()), real = escaped(shop().pem());
    for (const auto& mine : {stolen, "x" + stolen, "Hash=0;Cert=\"" + stolen, "Hash=0;Cert=\"" + stolen + "\";URI=\"",
                             "Hash=0;Cert=" + stolen + ";URI=\"", "Hash=0;Cert=\"" + stolen + "\";URI=\"\\"})
        for (const auto& theirs : {"Hash=1;Cert=\"" + real + "\"", "Hash=1;Cert=\"" + real + "\";Subject=\"CN=x\"",
                                   "By=y;Hash=1;Cert=\"" + real + "\";Subject=\"CN=a\\\"b\"",
                                   std::string("Hash=1;Subject=\"CN=x\";URI=z")})
            EXPECT_FALSE(holder(mine + "," + theirs) == other().fingerprint())
                << "..." << mine.substr(mine.size() - 14) << "," << theirs.substr(0, 20) << "...";
}

}  // namespace
}  // namespace spillway::identity
