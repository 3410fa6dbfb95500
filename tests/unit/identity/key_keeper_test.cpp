#include <spillway/identity/key_keeper.hpp>

#include <gtest/gtest.h>

#include <map>

#include "signer.hpp"
#include "unit/net/plain_server.hpp"

namespace spillway::identity {
namespace key_keeper_test {

using net::plain_server;

const signer& ours() {
    static const signer s;
    return s;
}

// A provider's web site, its keeper and a loop for both.
class keeping : public ::testing::Test {
protected:
    keeping() {
        settings.tenant = "t1";
        settings.authority = server.url("");
        settings.insecure = true;
        tell(v2, "https://login/T1/v2.0");
        tell(v1, "https://sts/t1/");
        pages["/keys"] = plain_server::ok(signer::jwks(ours().jwk("k1")));
    }

    void tell(const std::string& page, const std::string& issuer) {
        pages[page] = plain_server::ok(R"({"issuer":")" + issuer + R"(","jwks_uri":")" + server.url("/keys") + "\"}");
    }

    // Runs a keeper until it has read `readings` times, doing `between` after each.
    void read(std::uint64_t readings = 1, std::function<void(std::uint64_t)> between = {}) {
        provider = std::make_shared<token_provider>("p", settings, nullptr);
        key_keeper keeper(fetcher, provider, 1);
        keeper.on_trouble([this](std::string what) { troubles.push_back(std::move(what)); });
        answers = 0;
        keeper.on_answer([this] {
            EXPECT_EQ(done(), ++answers) << "good or bad, it is told when everything is in its place";
            EXPECT_FALSE(provider->refreshing()) << "who waited for it need not wait any longer";
        });
        bool ended = false;
        net::spawn(keeper.run(), [&](std::exception_ptr e) {
            EXPECT_FALSE(e);
            ended = true;
        });
        const auto work = [&]() -> net::task<> {
            for (std::uint64_t n = 1; n <= readings; ++n) {
                co_await net::eventually(l, [&] { return done() == n; });
                if (between) between(n);
            }
            keeper.stop();
            co_await net::eventually(l, [&] { return ended; });
        };
        server.run(work());
    }

    std::uint64_t done() const {
        const auto r = provider->report();
        return r.refreshes + r.failures;
    }

    // What is told when the site is like that from the start.
    std::string trouble() {
        read();
        EXPECT_EQ(provider->keys(), nullptr);
        EXPECT_FALSE(provider->refreshing()) << "nobody should wait for this";
        return provider->report().last_error;
    }

    const std::string v2 = "/t1/v2.0/.well-known/openid-configuration", v1 = "/t1/.well-known/openid-configuration";
    std::map<std::string, std::string, std::less<>> pages;
    net::loop l;
    plain_server server{l, [this](std::string_view request) {
                            const auto path = request.substr(4, request.find(' ', 4) - 4);
                            const auto at = pages.find(path);
                            return at == pages.end() ? plain_server::ok("", "", 404) : at->second;
                        }};
    net::fetcher fetcher{l};
    config::token_provider settings;
    std::shared_ptr<token_provider> provider;
    std::vector<std::string> troubles;
    std::uint64_t answers{0};
};

TEST_F(keeping, reads_the_keys_and_both_issuers_of_a_tenant) {
    read();
    ASSERT_NE(provider->keys(), nullptr);
    EXPECT_EQ(provider->keys()->issuers, (std::vector<std::string>{"https://login/T1/v2.0", "https://sts/t1/"}));
    EXPECT_TRUE(provider->keys()->keys.has("k1"));
    EXPECT_EQ(provider->version(), 1U);
    EXPECT_EQ(server.requests().size(), 3U);
    EXPECT_TRUE(troubles.empty());
}

TEST_F(keeping, a_tenant_may_have_one_issuer_only) {
    pages.erase(v1);
    read();
    ASSERT_NE(provider->keys(), nullptr);
    EXPECT_EQ(provider->keys()->issuers.size(), 1U);
}

TEST_F(keeping, another_provider_has_to_be_the_one_that_was_asked) {
    settings.tenant.clear();
    settings.issuer = server.url("/o/");  // some end in a slash, which the address of the document does not double
    tell("/o/.well-known/openid-configuration", settings.issuer);
    read();
    ASSERT_NE(provider->keys(), nullptr);
    EXPECT_EQ(provider->keys()->issuers, std::vector<std::string>{settings.issuer});
}

TEST_F(keeping, the_issuer_has_to_be_spelt_as_configured) {
    settings.tenant.clear();
    settings.issuer = server.url("/o/");
    tell("/o/.well-known/openid-configuration", server.url("/o"));
    EXPECT_NE(trouble().find("names another issuer"), std::string::npos);
}

TEST_F(keeping, a_document_speaks_for_its_own_tenant) {
    tell(v2, "https://login/t2/v2.0");
    EXPECT_NE(trouble().find("names another issuer"), std::string::npos);
    EXPECT_EQ(troubles.size(), 1U);
}

TEST_F(keeping, keys_come_over_tls_unless_said_otherwise) {
    settings.insecure = false;
    EXPECT_NE(trouble().find("names no usable jwks_uri"), std::string::npos);
}

TEST_F(keeping, what_the_site_does_wrong_is_told) {
    struct wrong {
        std::string page, answer, told;
    };
    const std::vector<wrong> all{
        {"/keys", plain_server::ok(R"({"keys":[]})"), "/keys: the document holds no RSA key"},
        {"/keys", plain_server::ok("", "", 503), "/keys answered 503"},
        {"/keys", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "/keys: the connection broke"},
        {v2, plain_server::ok(""), "names another issuer"},
        {v2, plain_server::ok("[]"), "names another issuer"},
        {v2, plain_server::ok(R"({"issuer":["t1"]})"), "names another issuer"},
        {v2, plain_server::ok(R"({"issuer":"t1","jwks_uri":[]})"), "names no usable jwks_uri"},
        {v2, plain_server::ok(R"({"issuer":"t1","jwks_uri":"file:///t1"})"), "names no usable jwks_uri"},
        {v2, plain_server::ok("", "Location: /keys\r\n", 302), "answered 302"},
    };
    const auto good = pages;
    const auto put = [&](const wrong& w) {
        pages = good;
        pages[w.page] = w.answer;
    };
    put(all[0]);
    read(all.size(), [&](std::uint64_t n) {
        const auto told = provider->report().last_error;
        EXPECT_NE(told.find(all[n - 1].told), std::string::npos) << all[n - 1].told << ", but told: " << told;
        EXPECT_FALSE(provider->refreshing()) << "nobody should wait for this";
        if (n == all.size()) return;
        put(all[n]);
        EXPECT_TRUE(provider->ask_for_keys(time_point(hours(10 * n))));
    });
    EXPECT_EQ(provider->keys(), nullptr);
}

TEST_F(keeping, good_keys_stay_through_trouble_which_is_told_once) {
    const std::string good = pages["/keys"];
    read(4, [&](std::uint64_t n) {
        pages["/keys"] = n < 3 ? plain_server::ok("", "", 500) : good;
        EXPECT_TRUE(provider->keys()->keys.has("k1"));
        // A token with an unknown key asks at once, where the keeper itself would wait.
        EXPECT_TRUE(provider->ask_for_keys(time_point(hours(10 * n))));
    });
    EXPECT_EQ(provider->version(), 1U);
    EXPECT_EQ(provider->report().failures, 2U);
    EXPECT_EQ(answers, 4U);
    ASSERT_EQ(troubles.size(), 2U);
    EXPECT_NE(troubles[0].find("token provider p: "), std::string::npos);
    EXPECT_NE(troubles[1].find("can be read again"), std::string::npos);
}

TEST_F(keeping, new_keys_are_seen) {
    const signer next;
    read(2, [&](std::uint64_t n) {
        EXPECT_EQ(provider->version(), n);
        pages["/keys"] = plain_server::ok(signer::jwks(next.jwk("k2") + "," + ours().jwk("k1")));
        provider->ask_for_keys(time_point(hours(10 * n)));
    });
    EXPECT_TRUE(provider->keys()->keys.has("k2"));
}

TEST_F(keeping, an_issuer_that_was_known_is_not_forgotten_when_its_document_is_away) {
    read(2, [&](std::uint64_t n) {
        pages[v1] = plain_server::ok("", "", 503);
        provider->ask_for_keys(time_point(hours(10 * n)));
    });
    EXPECT_EQ(provider->keys()->issuers.size(), 2U);
    EXPECT_EQ(provider->version(), 1U);
}

TEST_F(keeping, stops_in_the_middle_of_a_reading) {
    provider = std::make_shared<token_provider>("p", settings, nullptr);
    pages["/keys"] = "";  // no answer at all
    const time_point before = clock::now();
    auto keeper = std::make_unique<key_keeper>(fetcher, provider, 1);
    const auto work = [&]() -> net::task<> {
        bool ended = false;
        net::spawn(keeper->run(), [&](std::exception_ptr) { ended = true; });
        co_await net::eventually(l, [&] { return server.requests().size() == 3; });
        keeper->stop();
        co_await net::eventually(l, [&] { return ended; });
        keeper.reset();
        provider->end_refresh(fault{.code = "x"});
        EXPECT_TRUE(provider->ask_for_keys(clock::now())) << "nobody is there to hear it, which does no harm";
    };
    server.run(work());
    EXPECT_LT(clock::now() - before, seconds(9));
    EXPECT_EQ(provider->keys(), nullptr);
}

}  // namespace key_keeper_test
}  // namespace spillway::identity
