#include <spillway/net/fetch.hpp>

#include <gtest/gtest.h>

#include <spillway/http/head.hpp>

#include "plain_server.hpp"

namespace spillway::net {
namespace {

class fetching : public ::testing::Test {
protected:
    // Fetches from a server that answers so.
    result<fetched> from(const std::string& answer) {
        return from([answer](std::string_view) { return answer; }, [](fetch_request&) {});
    }
    template <class Change>
    result<fetched> from(plain_server::answering how, Change change, interrupt* by = nullptr) {
        loop l;
        plain_server server(l, std::move(how));
        fetcher f(l);
        result<fetched> out = fault{.code = "never asked"};
        fetch_request asked;
        asked.url = server.url("/a/b?c=d");
        change(asked);
        const auto work = [&]() -> task<> { out = co_await f.fetch(asked, by); };
        server.run(work());
        requests = server.requests();
        return out;
    }
    static std::string code(const result<fetched>& r) { return r ? "none" : std::string(r.error().code); }

    std::vector<std::string> requests;
};

TEST_F(fetching, brings_status_body_and_retry_after) {
    const auto r = from(plain_server::ok("hello", "Retry-After: 7\r\n", 429));
    ASSERT_TRUE(r);
    EXPECT_EQ(r->status, 429);
    EXPECT_EQ(r->body, "hello");
    EXPECT_EQ(r->retry_after, "7");
}

TEST_F(fetching, every_way_to_end_a_body_is_understood) {
    const auto chunked =
        from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: r\r\n\r\n");
    ASSERT_TRUE(chunked);
    EXPECT_EQ(chunked->body, "abcde");
    const auto until_close = from("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end");
    ASSERT_TRUE(until_close);
    EXPECT_EQ(until_close->body, "until the end");
    const auto none = from("HTTP/1.1 204 No Content\r\n\r\n");
    ASSERT_TRUE(none);
    EXPECT_EQ(none->status, 204);
    EXPECT_EQ(none->body, "");
    const auto late = from("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + plain_server::ok("after"));
    ASSERT_TRUE(late);
    EXPECT_EQ(late->body, "after");
}

TEST_F(fetching, interim_answers_without_end_are_no_answer) {
    std::string flood;
    for (std::size_t i = 0; i <= http::most_interim_heads; ++i) flood += "HTTP/1.1 102 Processing\r\n\r\n";
    EXPECT_EQ(code(from(flood + plain_server::ok("late"))), "FetchFailed");
}

TEST_F(fetching, sends_what_was_asked_for) {
    const auto answer = [](std::string_view) { return plain_server::ok(""); };
    ASSERT_TRUE(from(answer, [](fetch_request& r) {
        r.method = "POST";
        r.body = "x=y";
        r.fields = {{"Metadata", "true"}};
    }));
    const auto& all = requests.at(0);
    EXPECT_TRUE(all.starts_with("POST /a/b?c=d HTTP/1.1\r\nHost: 127.0.0.1:")) << all;
    EXPECT_NE(all.find("\r\nMetadata: true\r\n"), std::string::npos) << all;
    EXPECT_TRUE(all.ends_with("\r\nContent-Length: 3\r\n\r\nx=y")) << all;
}

TEST_F(fetching, a_value_with_line_ends_never_leaves) {
    const auto answer = [](std::string_view) { return plain_server::ok(""); };
    EXPECT_EQ(code(from(answer, [](fetch_request& r) { r.fields = {{"X", "a\r\nY: b"}}; })), "FetchUrl");
    EXPECT_TRUE(requests.empty());
}

TEST_F(fetching, nothing_that_breaks_a_head_apart_leaves) {
    const auto answer = [](std::string_view) { return plain_server::ok(""); };
    for (const auto* bad : {"/x HTTP/1.1\r\nX-Evil: 1", "/a b", "/a\tb", "/a\nb", "/?a=b c", "/?a\r\nX-Evil: 1",
                            "/?a#b", "/a#b", "/\x01", "/?\x7f", "/\xc3\xa4", "/?\xc3\xa4", "/a\\b", "/?a=\x0b"})
        EXPECT_EQ(code(from(answer, [&](fetch_request& r) { r.url = r.url.substr(0, r.url.find("/a/")) + bad; })),
                  "FetchUrl")
            << bad;
    const std::vector<std::pair<std::string, std::string>> fields{{"X", "a\nb"},
                                                                  {"X", "a\rb"},
                                                                  {"X", std::string("a\0b", 3)},
                                                                  {"X", "a\x1b[31m"},
                                                                  {"X", "\x7f"},
                                                                  {"X:", "a"},
                                                                  {"X Y", "a"},
                                                                  {"", "a"},
                                                                  {"X\r\nY", "a"},
                                                                  {"X", std::string(40'000, 'a')}};
    for (const auto& field : fields)
        EXPECT_EQ(code(from(answer, [&](fetch_request& r) { r.fields = {field}; })), "FetchUrl") << field.first;
    EXPECT_EQ(code(from(answer, [](fetch_request& r) { r.method = "GET / HTTP/1.1\r\nX: y"; })), "FetchUrl");
    EXPECT_EQ(code(from(answer, [](fetch_request& r) { r.url += std::string(200'000, 'a'); })), "FetchUrl");
    EXPECT_TRUE(requests.empty());
    ASSERT_TRUE(from(answer, [](fetch_request& r) { r.url += "&e=%20f"; }));
    EXPECT_TRUE(requests.at(0).starts_with("GET /a/b?c=d&e=%20f HTTP/1.1\r\n")) << requests[0];
}

TEST_F(fetching, framing_without_end_is_too_much) {
    const auto small = [](fetch_request& r) { r.most_bytes = 1000; };
    std::string chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < 900; ++i) chunks += "1;" + std::string(200, 'e') + "\r\nx\r\n";
    EXPECT_EQ(code(from([&](std::string_view) { return chunks + "0\r\n\r\n"; }, small)), "FetchTooLarge");
    const std::string trailers = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    EXPECT_EQ(code(from(trailers + "X: " + std::string(20'000, 't') + "\r\n\r\n")), "FetchFailed");
}

TEST_F(fetching, addresses_that_cannot_be_asked) {
    const auto answer = [](std::string_view) { return plain_server::ok(""); };
    for (const auto* bad : {"", "ftp://127.0.0.1/", "127.0.0.1", "https://127.0.0.1/", "http://u:p@127.0.0.1/"})
        EXPECT_EQ(code(from(answer, [&](fetch_request& r) { r.url = bad; })), "FetchUrl") << bad;
    EXPECT_EQ(code(from(answer, [&](fetch_request& r) { r.url = "http://127.0.0.1:1/"; })), "FetchConnect");
}

TEST_F(fetching, redirections_are_answers_like_others) {
    const auto r = from(plain_server::ok("", "Location: http://127.0.0.1:1/\r\n", 302));
    ASSERT_TRUE(r);
    EXPECT_EQ(r->status, 302);
    EXPECT_EQ(requests.size(), 1U);
}

TEST_F(fetching, what_is_too_much_is_not_taken) {
    const std::string much(100'000, 'x');
    const auto small = [](fetch_request& r) { r.most_bytes = 50'000; };
    const auto plain = [&](std::string_view) { return plain_server::ok(much); };
    EXPECT_EQ(code(from(plain, small)), "FetchTooLarge");
    const auto chunked = [&](std::string_view) {
        return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n" + much + "\r\n0\r\n\r\n";
    };
    EXPECT_EQ(code(from(chunked, small)), "FetchTooLarge");
    EXPECT_EQ(code(from("HTTP/1.1 200 OK\r\nX: " + much + "\r\n\r\n")), "FetchTooLarge");
}

TEST_F(fetching, a_broken_answer_is_none) {
    EXPECT_EQ(code(from("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")), "FetchFailed");
    EXPECT_EQ(code(from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")), "FetchFailed");
    EXPECT_EQ(code(from("HTTP/1.1 200 OK\r\n")), "FetchFailed");
    EXPECT_EQ(code(from("220 mail.example ESMTP\r\n\r\n")), "FetchFailed");
    EXPECT_NE(code(from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n")), "none");
}

TEST_F(fetching, who_does_not_answer_is_not_waited_for_longer_than_said) {
    const time_point before = clock::now();
    const auto silence = [](std::string_view) { return std::string(); };
    EXPECT_EQ(code(from(silence, [](fetch_request& r) { r.timeout = milliseconds(60); })), "FetchTimeout");
    EXPECT_GE(clock::now() - before, milliseconds(60));
    EXPECT_LT(clock::now() - before, seconds(9));
}

TEST_F(fetching, ends_at_once_when_interrupted) {
    interrupt stop;
    // The server is the one that fires, so the request is on its way by then.
    const auto silence = [&](std::string_view) {
        stop.fire();
        return std::string();
    };
    EXPECT_EQ(code(from(
                  silence, [](fetch_request&) {}, &stop)),
              "FetchInterrupted");
    EXPECT_EQ(code(from(
                  silence, [](fetch_request&) {}, &stop)),
              "FetchInterrupted");
}

}  // namespace
}  // namespace spillway::net
