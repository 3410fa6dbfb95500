#include <spillway/net/proxy.hpp>

#include <gtest/gtest.h>

#include <spillway/net/fetch.hpp>

#include "plain_server.hpp"

namespace spillway::net {
namespace {

TEST(proxy_url, tells_where_the_proxy_is) {
    const std::tuple<std::string_view, std::string_view> cases[] = {
        {"http://proxy.corp:3128", "proxy.corp:3128"},
        {"proxy.corp:3128", "proxy.corp:3128"},
        {"HTTP://proxy.corp", "proxy.corp:80"},
        {"http://proxy.corp:3128/", "proxy.corp:3128"},
        {"http://[2001:db8::1]:8080", "[2001:db8::1]:8080"},
    };
    for (const auto& [url, where] : cases) {
        const auto p = parse_proxy(url);
        ASSERT_TRUE(p) << url;
        EXPECT_EQ(p->to_string(), where);
        EXPECT_TRUE(p->authorization.empty());
    }
}

TEST(proxy_url, may_hold_a_credential_which_no_fault_repeats) {
    const auto p = parse_proxy("http://Aladdin:open%20sesame@proxy:3128");
    ASSERT_TRUE(p);
    EXPECT_EQ(p->authorization.view(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    EXPECT_EQ(p->to_string(), "proxy:3128");
    for (const auto* bad :
         {"https://u:hush@proxy:443", "socks5://u:hush@proxy:1080", "http://u:hush%2@proxy:3128",
          "http://u:hush@proxy:3128/path", "http://u:hush@proxy:0", "http://u:hush@", "u:hush@a b:1"}) {
        const auto r = parse_proxy(bad);
        ASSERT_FALSE(r) << bad;
        EXPECT_EQ(r.error().message.find("hush"), std::string::npos) << r.error().message;
    }
}

struct no_proxy_case {
    std::string_view words, host;
    std::uint16_t port;
    bool direct;
};

TEST(no_proxy, is_read_as_others_read_it) {
    const no_proxy_case cases[] = {
        {"", "a.example", 443, false},
        {"*", "a.example", 443, true},
        {"example.com", "example.com", 443, true},
        {"example.com", "EXAMPLE.com.", 443, true},
        {"example.com", "a.b.example.com", 443, true},
        {"example.com", "notexample.com", 443, false},
        {"Example.COM", "a.example.com", 443, true},
        {".example.com", "a.example.com", 443, true},
        {".example.com", "example.com", 443, false},
        {"*.example.com", "a.example.com", 443, true},
        {"*.example.com", "example.com", 443, false},
        {"a.test, example.com\tb.test", "b.test", 443, true},
        {"a.test,,example.com,", "example.com", 443, true},
        {"example.com:8443", "a.example.com", 8443, true},
        {"example.com:8443", "example.com", 443, false},
        {"10.1.2.3", "10.1.2.3", 443, true},
        {"10.1.2.3", "10.1.2.4", 443, false},
        {"10.0.0.0/8", "10.200.3.4", 443, true},
        {"10.0.0.0/8", "11.0.0.1", 443, false},
        {"10.0.0.0/8", "10.example.com", 443, false},
        {"10.1.2.3:80", "10.1.2.3", 80, true},
        {"10.1.2.3:80", "10.1.2.3", 443, false},
        {"2001:db8::/32", "2001:db8::7", 443, true},
        {"2001:db8::7", "2001:DB8:0::7", 443, true},
        {"[2001:db8::7]:443", "2001:db8::7", 443, true},
        {"[2001:db8::7]:443", "2001:db8::7", 80, false},
        {"1.2.3.4", "4.1.2.3.4", 443, false},
    };
    for (const auto& c : cases) {
        no_proxy_list l;
        ASSERT_FALSE(l.add(c.words)) << c.words;
        EXPECT_EQ(l.contains(c.host, c.port), c.direct) << c.words << " and " << c.host << ":" << c.port;
    }
}

TEST(no_proxy, refuses_what_it_could_only_misunderstand) {
    for (const auto* bad :
         {"http://a.example", "10.0.0.0/33", "a/b", "*:80", "a*.example", ":80", "example.com:99999"}) {
        no_proxy_list l;
        EXPECT_TRUE(l.add(bad)) << bad;
    }
}

proxy_rules by_two() {
    proxy_rules r;
    r.for_https = *parse_proxy("secure:1");
    r.for_http = *parse_proxy("plain:2");
    EXPECT_FALSE(r.direct.add("inside.test"));
    return r;
}

TEST(proxy_rules, choose_by_scheme_and_leave_what_is_near_alone) {
    const auto r = by_two();
    const auto by = [&r](bool tls, std::string_view host) {
        const auto* p = r.choose(tls, host, 443);
        return p == nullptr ? std::string("direct") : p->host;
    };
    EXPECT_EQ(by(true, "a.example"), "secure");
    EXPECT_EQ(by(false, "a.example"), "plain");
    EXPECT_EQ(by(true, "x.inside.test"), "direct");
    for (const auto* near :
         {"localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "169.254.169.254", "169.254.130.1", "fe80::1"})
        EXPECT_EQ(by(false, near), "direct") << near;
    EXPECT_EQ(by(true, "10.0.0.1"), "secure");
    EXPECT_EQ(proxy_rules{}.choose(true, "a.example", 443), nullptr);
}

// Fetches http://target.test:81/ through a proxy that answers so.
struct through_proxy : ::testing::Test {
    result<fetched> fetch(std::function<std::string(std::string_view)> answer, const std::string& user = {},
                          bool direct = false, milliseconds timeout = seconds(10)) {
        loop l;
        plain_server server(l, std::move(answer));
        fetcher f(l);
        proxy_rules rules;
        rules.for_http =
            *parse_proxy(user + "localhost" + server.url("").substr(std::string("http://127.0.0.1").size()));
        f.use_proxies(rules);
        fetch_request asked;
        asked.url = "http://target.test:81/x";
        asked.direct = direct;
        asked.timeout = timeout;
        result<fetched> out = fault{.code = "never asked"};
        const auto work = [&]() -> task<> { out = co_await f.fetch(asked, nullptr); };
        server.run(work());
        requests = server.requests();
        return out;
    }
    std::vector<std::string> requests;
};

TEST_F(through_proxy, a_tunnel_is_asked_for_by_name) {
    fetch([](std::string_view) { return "HTTP/1.1 200 Connection established\r\n\r\n"; }, "u:p@");
    ASSERT_EQ(requests.size(), 1U);
    const auto& r = requests[0];
    EXPECT_TRUE(r.starts_with("CONNECT target.test:81 HTTP/1.1\r\nHost: target.test:81\r\n")) << r;
    EXPECT_NE(r.find("\r\nProxy-Authorization: Basic dTpw\r\n"), std::string::npos) << r;
}

TEST_F(through_proxy, a_refusal_is_told_with_the_proxys_name_and_never_with_the_credential) {
    const std::tuple<std::string, std::string> cases[] = {
        {"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: "
         "5\r\n\r\nsorry",
         "status 407: it wants other credentials"},
        {"HTTP/1.0 403 Forbidden\r\n\r\n", "status 403: it does not allow this target"},
        {"HTTP/1.1 502 Bad Gateway\r\n\r\n", "status 502: it cannot reach the target"},
        {"HTTP/1.1 302 Found\r\nLocation: http://login/\r\n\r\n", "status 302"},
        {"SSH-2.0-x\r\n\r\n", "no HTTP"},
        {"HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x'), "too long"},
        {"HTTP/1.1 200 OK\r\n", "closed the connection"},
        {"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "sent bytes into the tunnel"},
    };
    for (const auto& [answer, words] : cases) {
        const auto got = fetch([a = answer](std::string_view) { return a; }, "u:hush@");
        ASSERT_FALSE(got) << answer;
        EXPECT_EQ(got.error().code, "FetchConnect");
        EXPECT_NE(got.error().message.find(words), std::string::npos) << got.error().message;
        EXPECT_NE(got.error().message.find("proxy localhost:"), std::string::npos) << got.error().message;
        EXPECT_EQ(got.error().message.find("hush"), std::string::npos);
        EXPECT_EQ(got.error().message.find("dTpodXNo"), std::string::npos);
    }
}

TEST_F(through_proxy, interim_answers_are_passed_over) {
    const auto got =
        fetch([](std::string_view) { return "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n"; });
    ASSERT_FALSE(got);
    EXPECT_NE(got.error().message.find("status 403"), std::string::npos) << got.error().message;
    const auto endless = fetch([](std::string_view) {
        std::string all;
        for (int i = 0; i < 2000; ++i) all += "HTTP/1.1 103 Early Hints\r\n\r\n";
        return all;
    });
    ASSERT_FALSE(endless);
    EXPECT_NE(endless.error().message.find("too long"), std::string::npos) << endless.error().message;
}

TEST_F(through_proxy, its_silence_costs_no_more_than_a_connect_may) {
    const time_point before = clock::now();
    const auto got = fetch([](std::string_view) { return ""; }, {}, false, milliseconds(80));
    ASSERT_FALSE(got);
    EXPECT_NE(got.error().message.find("did not open a tunnel"), std::string::npos) << got.error().message;
    EXPECT_LT(clock::now() - before, seconds(9));
}

TEST(tunnel, carries_the_request_afterwards) {
    // The same server plays proxy and target: its second answer is the target's.
    loop l;
    std::vector<std::string> seen;
    const std::vector<std::string> answers{"HTTP/1.1 200 OK\r\n\r\n", plain_server::ok("inside")};
    const int fd = *listen_on(*address::parse("127.0.0.1:0"), false);
    const auto port = local_address(fd).port();
    std::unique_ptr<stream> io;
    fetcher f(l);
    result<fetched> out = fault{.code = "never asked"};
    int running = 2;
    const auto done = [&](std::exception_ptr e) {
        EXPECT_FALSE(e);
        if (--running == 0) l.stop();
    };
    const auto serve = [&]() -> task<> {
        const time_point deadline = clock::now() + seconds(20);
        for (const auto& answer : answers) {
            std::string request;
            char room[4096];
            while (request.find("\r\n\r\n") == std::string::npos) {
                const io_result r = co_await io->read_some(room, deadline);
                if (!r.ok()) co_return;
                request.append(room, r.bytes);
            }
            seen.push_back(request);
            co_await io->write_all(answer, deadline);
        }
    };
    acceptor accepting(l, fd, [&](int c, const address&) {
        io = std::make_unique<stream>(l);
        io->open(c);
        spawn(serve(), done);
    });
    proxy_rules rules;
    rules.for_http = *parse_proxy("http://user:secret@127.0.0.1:" + std::to_string(port));
    f.use_proxies(rules);
    fetch_request asked;
    asked.url = "http://target.test/x";
    const auto work = [&]() -> task<> { out = co_await f.fetch(asked, nullptr); };
    spawn(work(), done);
    l.run();
    ASSERT_TRUE(out) << out.error().message;
    EXPECT_EQ(out->body, "inside");
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_TRUE(seen[0].starts_with("CONNECT target.test:80 "));
    EXPECT_TRUE(seen[1].starts_with("GET /x HTTP/1.1\r\nHost: target.test\r\n")) << seen[1];
    EXPECT_EQ(seen[1].find("Proxy-"), std::string::npos);
}

}  // namespace
}  // namespace spillway::net
