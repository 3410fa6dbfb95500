// What our head parser takes, Boost.Beast's parser has to take as well, and both have to read the same.
#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <map>

#include <spillway/base/random.hpp>
#include <spillway/base/text.hpp>
#include <spillway/http/head.hpp>

namespace spillway::http {
namespace {

namespace beast = boost::beast::http;

std::string_view view(boost::beast::string_view s) { return {s.data(), s.size()}; }

std::string lower(std::string_view s) {
    std::string out(s);
    for (char& c : out) c = text::lower(c);
    return out;
}

void compare(const std::string& input) {
    request_head ours;
    if (find_head_end(input) != input.size() || parse_request(input, {}, ours) != head_error::none) return;
    if (input.starts_with("\r\n")) return;  // forgiven by RFC 9112, not by Beast
    beast::request_parser<beast::empty_body> theirs;
    theirs.skip(true);
    boost::beast::error_code ec;
    theirs.put(boost::asio::buffer(input), ec);
    ASSERT_FALSE(ec) << ec.message() << "\n" << input;
    const auto& r = theirs.get();
    EXPECT_EQ(view(r.method_string()), ours.method) << input;
    // Beast keeps fields of one name together; inside a name both keep the order of the wire.
    std::multimap<std::string, std::string> mine, other;
    for (const auto& f : ours.fields) mine.emplace(lower(f.name), f.value);
    for (const auto& f : r) other.emplace(lower(view(f.name_string())), view(f.value()));
    EXPECT_EQ(mine, other) << input;
    EXPECT_EQ(theirs.chunked(), ours.body == body_kind::chunked) << input;
    if (ours.body == body_kind::length) {
        EXPECT_EQ(theirs.content_length().value_or(0), ours.content_length) << input;
    }
    EXPECT_EQ(theirs.keep_alive(), ours.keep_alive) << input;
}

TEST(head_parser, agrees_with_beast_on_everything_that_it_takes) {
    constexpr std::string_view pieces[] = {"GET ",
                                           "POST ",
                                           "/ ",
                                           "/a?b=c ",
                                           "HTTP/1.1",
                                           "HTTP/1.0",
                                           "\r\n",
                                           "\n",
                                           "\r",
                                           "Host: h",
                                           "host:h:1 ",
                                           "Content-Length: 5",
                                           "Content-Length: 05",
                                           "Transfer-Encoding: chunked",
                                           "Transfer-Encoding:\tchunked ",
                                           "Connection: close",
                                           "Connection: keep-alive",
                                           "Connection: keep-alive, close",
                                           "X-A: b",
                                           "X-A:",
                                           "X-A : b",
                                           " folded",
                                           "\t",
                                           ":",
                                           "\x01",
                                           "\x80",
                                           "Expect: 100-continue",
                                           "A: \"q\"",
                                           "\r\n\r\n",
                                           "http://h/x "};
    random_source random(20261123);
    std::size_t taken = 0;
    for (int round = 0; round < 200'000; ++round) {
        // Half of the time something that is nearly right, so that acceptance is tried as well as refusal.
        std::string text = random.below(2) == 0 ? "GET / HTTP/1.1\r\nHost: h\r\n" : "";
        const auto n = 1 + random.below(6);
        for (std::uint32_t i = 0; i < n; ++i) {
            text += pieces[random.below(std::size(pieces))];
            if (random.below(3) != 0) text += "\r\n";
        }
        text += "\r\n";
        request_head h;
        taken += find_head_end(text) == text.size() && parse_request(text, {}, h) == head_error::none;
        compare(text);
        if (HasFatalFailure()) return;
    }
    EXPECT_GT(taken, 1000U);
}

}  // namespace
}  // namespace spillway::http
