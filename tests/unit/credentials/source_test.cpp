#include <spillway/credentials/source.hpp>

#include <gtest/gtest.h>

#include <map>

#include <spillway/credentials/token.hpp>
#include <spillway/net/tls_context.hpp>

namespace spillway::credentials {
namespace {

struct house {
    std::map<std::string, std::string, std::less<>> variables;
    std::map<std::string, config::credential> others;
    config::environment env = [this](std::string_view name) -> std::optional<std::string> {
        const auto at = variables.find(name);
        return at == variables.end() ? std::nullopt : std::optional(at->second);
    };

    made_source make(const config::credential& from) {
        const source_context with{env, [](const std::string&) { return net::make_client_context(""); },
                                  [this](const std::string& name) { return &others.at(name); }};
        return make_source(from, with);
    }
};

config::credential managed(config::managed_identity_source m) {
    config::credential c;
    c.managed_identity = std::move(m);
    return c;
}

std::string said(const made_source& m) { return m ? (*m ? (*m)->describe() : "none") : "! " + m.error().message; }

TEST(make_source, an_api_key_needs_none) {
    config::credential c;
    c.api_key = config::secret_ref::literal("k");
    EXPECT_EQ(said(house().make(c)), "none");
}

TEST(make_source, the_platforms_endpoint_comes_before_the_machines) {
    house h;
    EXPECT_EQ(said(h.make(managed({}))), "managed identity of the machine by IMDS");
    h.variables = {{"IDENTITY_ENDPOINT", "http://x/msi"}};
    EXPECT_EQ(said(h.make(managed({}))), "managed identity of the machine by IMDS");
    h.variables["IDENTITY_HEADER"] = "secret-of-the-platform";
    EXPECT_EQ(said(h.make(managed({}))), "managed identity of the app by IDENTITY_ENDPOINT");
    config::managed_identity_source imds;
    imds.client_id = "id";
    imds.endpoint = config::identity_endpoint::imds;
    EXPECT_EQ(said(h.make(managed(imds))), "managed identity id by IMDS");
    h.variables.clear();
    imds.endpoint = config::identity_endpoint::app_service;
    EXPECT_TRUE(said(h.make(managed(imds))).starts_with("! IDENTITY_HEADER"));
}

TEST(make_source, a_workload_identity_takes_what_aks_injects) {
    house h;
    config::credential c;
    c.workload_identity.emplace();
    EXPECT_TRUE(said(h.make(c)).starts_with("! no token file"));
    h.variables = {{"AZURE_FEDERATED_TOKEN_FILE", "/t"}};
    EXPECT_TRUE(said(h.make(c)).starts_with("! no tenant"));
    h.variables["AZURE_TENANT_ID"] = "tenant";
    EXPECT_TRUE(said(h.make(c)).starts_with("! no client_id"));
    h.variables["AZURE_CLIENT_ID"] = "app";
    EXPECT_EQ(said(h.make(c)), "workload identity app of tenant");
    h.variables["AZURE_AUTHORITY_HOST"] = "http://login";
    EXPECT_TRUE(said(h.make(c)).starts_with("! the authority http://login"));
}

TEST(make_source, a_secret_never_shows_itself) {
    house h;
    config::credential c;
    auto& a = c.client_secret.emplace();
    a.tenant = "tenant";
    a.client_id = "app";
    a.secret = config::secret_ref::env("S");
    EXPECT_TRUE(said(h.make(c)).starts_with("! the environment variable S is not set"));
    h.variables = {{"S", "very secret"}};
    EXPECT_EQ(said(h.make(c)), "application app of tenant");
}

TEST(make_source, a_certificate_is_looked_at_before_it_is_needed) {
    house h;
    config::credential c;
    auto& a = c.client_certificate.emplace();
    a.tenant = "tenant";
    a.client_id = "app";
    a.certificate = a.key = "/nowhere";
    EXPECT_TRUE(said(h.make(c)).starts_with("! the file /nowhere cannot be opened"));
}

TEST(make_source, a_chain_passes_over_what_cannot_work_here) {
    house h;
    config::credential c;
    c.chain = {"pod", "machine"};
    h.others["pod"].workload_identity.emplace();
    h.others["machine"].managed_identity.emplace();
    EXPECT_EQ(said(h.make(c)), "chain of managed identity of the machine by IMDS");
    c.chain = {"pod"};
    EXPECT_TRUE(said(h.make(c)).starts_with("! no link of the chain can work here: pod: no token file"));
}

const time_point now{hours(5)};

TEST(token_cell, serves_what_was_published) {
    token_cell cell;
    EXPECT_TRUE(cell.starting());
    EXPECT_EQ(cell.version(), 0U);
    EXPECT_EQ(cell.get(), nullptr);
    EXPECT_FALSE(cell.usable(now));
    cell.publish(secret_text("Bearer t"), now + hours(1));
    cell.finish(now);
    EXPECT_FALSE(cell.starting());
    EXPECT_EQ(cell.version(), 1U);
    EXPECT_EQ(cell.get()->version, 1U);
    EXPECT_EQ(cell.get()->field_value.view(), "Bearer t");
    EXPECT_TRUE(cell.usable(now + hours(1) - seconds(1)));
    EXPECT_FALSE(cell.usable(now + hours(1)));
}

TEST(token_cell, a_refused_token_is_renewed_once_for_all_who_complain) {
    token_cell cell;
    int woken = 0;
    cell.on_renewal([&] { ++woken; });
    cell.publish(secret_text("one"), now + hours(1));
    cell.finish(now);
    EXPECT_TRUE(cell.renew(1, "claims", now));
    EXPECT_TRUE(cell.renew(1, "", now)) << "one is under way";
    EXPECT_EQ(woken, 1);
    EXPECT_EQ(cell.take_claims(), "claims");
    EXPECT_EQ(cell.take_claims(), "");
    cell.publish(secret_text("two"), now + hours(1));
    cell.finish(now);
    EXPECT_TRUE(cell.renew(1, "", now)) << "another one is here already";
    EXPECT_EQ(woken, 1);
    EXPECT_FALSE(cell.renew(2, "", now + seconds(29))) << "so soon again helps nobody";
    EXPECT_TRUE(cell.renew(2, "", now + seconds(30)));
    EXPECT_EQ(woken, 2);
}

TEST(token_cell, tells_what_went_wrong_until_it_goes_right) {
    token_cell cell;
    cell.describe("own", "imds", "scope");
    cell.fail("status 500");
    cell.fail("status 500");
    cell.finish(now);
    auto r = cell.report();
    EXPECT_EQ(r.failures_in_a_row, 2U);
    EXPECT_EQ(r.last_error, "status 500");
    EXPECT_FALSE(r.usable);
    cell.publish(secret_text("t"), clock::now() + hours(1));
    r = cell.report();
    EXPECT_EQ(r.failures_in_a_row, 0U);
    EXPECT_EQ(r.failures, 2U);
    EXPECT_TRUE(r.last_error.empty() && r.usable);
}

}  // namespace
}  // namespace spillway::credentials
