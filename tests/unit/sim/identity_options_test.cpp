#include "../../../src/sim/identity_options.hpp"

#include <gtest/gtest.h>

#include "../../../src/sim/options.hpp"

using namespace spillway;
using namespace spillway::sim;

namespace {

const std::string instances = "instances:\n  a:\n    address: 127.0.0.1:0\n";
const std::string identity = "identity:\n  address: 127.0.0.1:0\n  tenants: [t1, t2]\n";

std::string refusal(const std::string& yaml) {
    const auto o = read_options(yaml, "f");
    return o ? "" : o.error().message;
}
bool names(const std::string& yaml, const std::string& part) { return refusal(yaml).find(part) != std::string::npos; }

}  // namespace

TEST(identity_options, a_whole_section_is_read) {
    const auto o = read_options(identity +
                                    "  managed_identity_address: 127.0.0.1:1\n  identity_header: h\n"
                                    "  token_lifetime: 90s\n  public_url: https://login.test\n  applications:\n"
                                    "    - {client_id: c, secret: s, roles: [A, B]}\n"
                                    "    - {tenant: t2, client_id: d, object_id: e, federated_token_file: /x}\n"
                                    "  managed_identities:\n    - {client_id: m, resource_id: /r, system: true}\n" +
                                    instances + "    bearer: identity\n    audiences: [x, y]\n",
                                "f");
    ASSERT_TRUE(o) << o.error().message;
    const identity_options& i = o->identity;
    EXPECT_TRUE(i.enabled());
    EXPECT_EQ(i.token_lifetime, seconds(90));
    ASSERT_EQ(i.applications.size(), 2U);
    EXPECT_EQ(i.applications[0].tenant, "t1");
    EXPECT_EQ(i.applications[0].object_id, "c");
    EXPECT_EQ(i.applications[0].roles, (std::vector<std::string>{"A", "B"}));
    EXPECT_EQ(i.applications[1].object_id, "e");
    ASSERT_EQ(i.managed_identities.size(), 1U);
    EXPECT_TRUE(i.managed_identities[0].system);
    EXPECT_EQ(o->instances[0].audiences, (std::vector<std::string>{"x", "y"}));
}

TEST(identity_options, without_a_section_there_is_none) {
    const auto o = read_options(instances, "f");
    ASSERT_TRUE(o);
    EXPECT_FALSE(o->identity.enabled());
}

TEST(identity_options, an_address_and_a_tenant_are_needed) {
    EXPECT_TRUE(names("identity: {tenants: [t]}\n" + instances, "identity.address: is needed"));
    EXPECT_TRUE(names("identity: {address: nowhere, tenants: [t]}\n" + instances, "identity.address"));
    EXPECT_TRUE(names("identity: {address: 127.0.0.1:0}\n" + instances, "identity.tenants"));
    EXPECT_TRUE(names("identity: {address: 127.0.0.1:0, tenants: t}\n" + instances, "has to be a list of texts"));
}

TEST(identity_options, tls_needs_the_shared_certificate) {
    EXPECT_TRUE(names(identity + "  tls: true\n" + instances, "identity.tls"));
}

TEST(identity_options, applications_belong_to_a_known_tenant) {
    EXPECT_TRUE(names(identity + "  applications: [{tenant: t3, client_id: c}]\n" + instances,
                      "identity.applications[0].tenant"));
    EXPECT_TRUE(
        names(identity + "  applications: [{secret: s}]\n" + instances, "identity.applications[0].client_id"));
    EXPECT_TRUE(names(identity + "  applications: [{client_id: c, certificate: /nowhere.pem}]\n" + instances,
                      "identity.applications[0].certificate"));
    EXPECT_TRUE(names(identity + "  applications: [{client_id: c, password: s}]\n" + instances,
                      "identity.applications[0].password"));
}

TEST(identity_options, only_one_identity_is_the_systems_own) {
    EXPECT_TRUE(names(
        identity + "  managed_identities: [{client_id: a, system: true}, {client_id: b, system: true}]\n" + instances,
        "identity.managed_identities"));
}

TEST(identity_options, odd_values_are_refused) {
    EXPECT_TRUE(names(identity + "  token_lifetime: 10ms\n" + instances, "identity.token_lifetime"));
    EXPECT_TRUE(names(identity + "  public_url: login.test\n" + instances, "identity.public_url"));
    EXPECT_TRUE(names(identity + "  public_url: https://login.test/\n" + instances, "identity.public_url"));
}

TEST(identity_options, an_instance_can_only_ask_an_identity_part_that_is_there) {
    EXPECT_TRUE(names(instances + "    bearer: identity\n", "instances.a.bearer"));
    EXPECT_TRUE(names(identity + instances + "    audiences: [x]\n", "instances.a.audiences"));
}
