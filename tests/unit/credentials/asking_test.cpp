#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <map>

#include "../../../src/credentials/sources.hpp"
#include "unit/net/plain_server.hpp"

// What sources send, and what a chain makes of what comes back.
namespace spillway::credentials {
namespace {

using net::plain_server;

const std::string good = plain_server::ok(R"({"access_token":"t","expires_in":3600})");

class asking : public ::testing::Test {
protected:
    std::unique_ptr<token_source> make(const config::credential& from) {
        const source_context with{env,
                                  [](const std::string&) { return result<net::ssl_ctx_ptr>(net::ssl_ctx_ptr()); },
                                  [this](const std::string& name) { return &others.at(name); }};
        auto made = make_source(from, with);
        EXPECT_TRUE(made) << made.error().message;
        return made ? std::move(*made) : nullptr;
    }
    config::credential machine(const std::string& page, const std::string& client_id = {}) {
        config::credential c;
        auto& m = c.managed_identity.emplace();
        m.client_id = client_id;
        m.url = server.url(page);
        return c;
    }
    // What a pod of AKS has in its environment; nobody answers at its authority.
    std::unique_ptr<token_source> in_a_pod(const std::string& token_file) {
        variables = {{"AZURE_FEDERATED_TOKEN_FILE", token_file},
                     {"AZURE_TENANT_ID", "t"},
                     {"AZURE_CLIENT_ID", "c"},
                     {"AZURE_AUTHORITY_HOST", "https://127.0.0.1:1/"}};
        config::credential c;
        c.workload_identity.emplace();
        return make(c);
    }
    // Asks once for each text: what came is "token", or why not.
    std::vector<std::string> ask(token_source& from, const std::vector<std::string>& rounds) {
        std::vector<std::string> out;
        const auto work = [&]() -> net::task<> {
            for (const auto& round : rounds) {
                now = round;
                const token_ask asked{"https://c/.default", ""};
                auto answer = co_await from.get(fetcher, asked, nullptr);
                const auto* none = std::get_if<no_token>(&answer);
                out.push_back(none == nullptr ? "token" : none->message);
            }
        };
        server.run(work());
        return out;
    }
    std::string line(std::size_t i) const {
        const auto& r = server.requests().at(i);
        return r.substr(0, r.find('\r'));
    }
    bool sent(std::size_t i, const std::string& what) const {
        return server.requests().at(i).find(what) != std::string::npos;
    }

    std::map<std::string, std::string, std::less<>> variables;
    std::map<std::string, config::credential> others;
    config::environment env = [this](std::string_view name) -> std::optional<std::string> {
        const auto at = variables.find(name);
        return at == variables.end() ? std::nullopt : std::optional(at->second);
    };
    std::string now;                                       // the round
    std::map<std::string, std::string> pages, later = {};  // by path; `later` goes first in round "later"
    net::loop l;
    plain_server server{l, [this](std::string_view request) {
                            const auto path = std::string(request.substr(0, request.find_first_of("? ", 5)));
                            const auto page = path.substr(path.find('/'));
                            const auto& from = now == "later" && later.contains(page) ? later : pages;
                            return from.contains(page) ? from.at(page) : plain_server::ok("", "", 404);
                        }};
    net::fetcher fetcher{l};
};

const std::string imds_page = "/metadata/identity/oauth2/token";

TEST_F(asking, the_machine_gets_a_resource_and_the_header_that_browsers_cannot_send) {
    pages["/a" + imds_page] = good;
    const auto source = make(machine("/a/", "id 1"));
    EXPECT_EQ(ask(*source, {""}), std::vector<std::string>{"token"});
    EXPECT_EQ(line(0),
              "GET /a" + imds_page + "?api-version=2018-02-01&resource=https%3A%2F%2Fc&client_id=id%201 HTTP/1.1");
    EXPECT_TRUE(sent(0, "\r\nMetadata: true\r\n"));
}

TEST_F(asking, identities_can_be_named_in_three_ways) {
    pages["/a" + imds_page] = good;
    auto c = machine("/a");
    c.managed_identity->object_id = "o";
    auto d = machine("/a");
    d.managed_identity->resource_id = "/subscriptions/s";
    others = {{"c", c}, {"d", d}};
    pages["/a" + imds_page] = plain_server::ok("", "", 400);  // has neither, so the chain asks for both
    config::credential both;
    both.chain = {"c", "d"};
    const auto source = make(both);
    ask(*source, {""});
    EXPECT_TRUE(line(0).ends_with("&object_id=o HTTP/1.1")) << line(0);
    EXPECT_TRUE(line(1).ends_with("&msi_res_id=%2Fsubscriptions%2Fs HTTP/1.1")) << line(1);
}

TEST_F(asking, the_platform_gets_its_own_secret_back) {
    variables = {{"IDENTITY_ENDPOINT", server.url("/msi/token")}, {"IDENTITY_HEADER", "platform"}};
    pages["/msi/token"] = good;
    config::credential c;
    c.managed_identity.emplace();
    const auto source = make(c);
    EXPECT_EQ(ask(*source, {""}), std::vector<std::string>{"token"});
    EXPECT_EQ(line(0), "GET /msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fc HTTP/1.1");
    EXPECT_TRUE(sent(0, "\r\nX-IDENTITY-HEADER: platform\r\n"));
}

TEST_F(asking, an_application_posts_a_form_with_its_proof_and_what_a_backend_wants_proven) {
    pages["/t/token"] = plain_server::ok(R"({"error":"invalid_client"})", "Retry-After: 3\r\n", 401);
    token_endpoint at;
    at.url = server.url("/t/token");
    at.client_id = "app";
    token_answer answer;
    const auto work = [&]() -> net::task<> {
        const token_ask asked{"https://c/.default", R"({"a":1})"};
        answer = co_await ask_with_assertion(fetcher, at, asked, secret_text("as+sertion"), nullptr);
    };
    server.run(work());
    EXPECT_TRUE(sent(0, "POST /t/token HTTP/1.1\r\n"));
    EXPECT_TRUE(sent(0, "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
    EXPECT_TRUE(
        sent(0,
             "\r\n\r\ngrant_type=client_credentials&client_id=app&scope=https%3A%2F%2Fc%2F.default&claims=%7B%"
             "22a%22%3A1%7D&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3A"
             "jwt-bearer&client_assertion=as%2Bsertion"));
    const auto& refused = std::get<no_token>(answer);
    EXPECT_EQ(refused.how.told, seconds(3));
    EXPECT_EQ(refused.message, at.url + " refused: status 401: invalid_client");
}

TEST_F(asking, a_chain_goes_on_with_whoever_served) {
    others = {{"none", machine("/none")}, {"a", machine("/a")}, {"b", machine("/b")}};
    pages = {
        {"/none" + imds_page, plain_server::ok("", "", 400)}, {"/a" + imds_page, good}, {"/b" + imds_page, good}};
    config::credential c;
    c.chain = {"none", "a", "b"};
    const auto source = make(c);
    EXPECT_EQ(ask(*source, {"", ""}), (std::vector<std::string>{"token", "token"}));
    ASSERT_EQ(server.requests().size(), 3U);
    EXPECT_TRUE(line(1).starts_with("GET /a/")) << line(1);
    EXPECT_TRUE(line(2).starts_with("GET /a/")) << line(2);
}

TEST_F(asking, who_has_served_and_refuses_is_waited_for) {
    others = {{"a", machine("/a")}, {"b", machine("/b")}};
    pages = {{"/a" + imds_page, good}, {"/b" + imds_page, good}};
    later = {{"/a" + imds_page, plain_server::ok("", "", 500)}};
    config::credential c;
    c.chain = {"a", "b"};
    const auto source = make(c);
    EXPECT_EQ(ask(*source, {"", "later", ""}),
              (std::vector<std::string>{"token", "IMDS refused: status 500", "token"}));
    for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(line(i).starts_with("GET /a/")) << line(i);
}

TEST_F(asking, who_has_served_and_is_gone_is_replaced) {
    others = {{"a", machine("/a")}, {"b", machine("/b")}};
    pages = {{"/a" + imds_page, good}, {"/b" + imds_page, good}};
    later = {{"/a" + imds_page, plain_server::ok("", "", 400)}};
    config::credential c;
    c.chain = {"a", "b"};
    const auto source = make(c);
    EXPECT_EQ(ask(*source, {"", "later", ""}), (std::vector<std::string>{"token", "token", "token"}));
    ASSERT_EQ(server.requests().size(), 4U);
    EXPECT_TRUE(line(2).starts_with("GET /b/") && line(3).starts_with("GET /b/"));
}

TEST_F(asking, a_chain_that_fails_says_why_for_each) {
    others = {{"a", machine("/a")}, {"b", machine("/b")}};
    pages = {{"/a" + imds_page, plain_server::ok("", "", 400)}, {"/b" + imds_page, plain_server::ok("", "", 500)}};
    config::credential c;
    c.chain = {"a", "b"};
    const auto source = make(c);
    EXPECT_EQ(ask(*source, {""}), std::vector<std::string>{"IMDS refused: status 400; IMDS refused: status 500"});
}

TEST_F(asking, a_chain_waits_for_whoever_exists_and_is_in_trouble) {
    others = {{"a", machine("/a")}, {"b", machine("/b")}};
    pages = {{"/a" + imds_page, plain_server::ok("", "", 500)}, {"/b" + imds_page, good}};
    config::credential c;
    c.chain = {"a", "b"};
    const auto source = make(c);
    EXPECT_EQ(ask(*source, {""}), std::vector<std::string>{"IMDS refused: status 500"});
    EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(asking, without_its_file_a_pod_asks_nobody) {
    const std::string path = ::testing::TempDir() + "spillway_pod_" + std::to_string(::getpid());
    const auto source = in_a_pod(path);
    std::remove(path.c_str());
    const auto told = ask(*source, {""});
    EXPECT_NE(told.at(0).find(path), std::string::npos) << told.at(0);
    EXPECT_TRUE(server.requests().empty());
}

TEST_F(asking, a_pods_file_that_holds_no_token_is_not_sent) {
    const std::string path = ::testing::TempDir() + "spillway_pod_odd_" + std::to_string(::getpid());
    const auto source = in_a_pod(path);
    for (const auto* text : {"<html>", "two words", "a\nb", "a\x01"}) {
        std::ofstream(path) << text;
        const auto told = ask(*source, {""});
        EXPECT_NE(told.at(0).find(path + " holds no token"), std::string::npos) << told.at(0);
    }
    std::remove(path.c_str());
}

}  // namespace
}  // namespace spillway::credentials
