#include <gtest/gtest.h>

#include <spillway/http/framing.hpp>

namespace spillway::http {
namespace {

struct seen {
    std::string payload, forwarded;
    std::size_t consumed{0};
    bool done{false}, failed{false};
    friend bool operator==(const seen&, const seen&) = default;
};

seen scan(std::string_view bytes, body_kind kind, std::uint64_t length, std::size_t step) {
    body_scanner s(kind, length);
    seen out;
    while (!bytes.empty() && !s.done() && !s.failed()) {
        const auto piece = bytes.substr(0, step);
        const auto r = s.feed(piece, [&](std::string_view p) { out.payload += p; });
        out.forwarded += piece.substr(0, r.forward);
        out.consumed += r.consumed;
        bytes.remove_prefix(piece.size());
    }
    out.forwarded += s.closing();
    out.done = s.done();
    out.failed = s.failed();
    return out;
}

// Any split of the bytes gives the same result.
seen scan_in_every_split(std::string_view bytes, body_kind kind, std::uint64_t length = 0) {
    const seen whole = scan(bytes, kind, length, bytes.size());
    for (std::size_t step = 1; step < bytes.size(); ++step)
        EXPECT_TRUE(scan(bytes, kind, length, step) == whole) << "pieces of " << step;
    return whole;
}

TEST(body_scanner, a_length_ends_where_it_says) {
    const auto s = scan_in_every_split("helloNEXT", body_kind::length, 5);
    EXPECT_EQ(s.payload, "hello");
    EXPECT_EQ(s.consumed, 5U);
    EXPECT_TRUE(s.done);
}

TEST(body_scanner, chunks_pass_with_their_framing) {
    const auto s = scan_in_every_split("5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\nNEXT", body_kind::chunked);
    EXPECT_EQ(s.payload, "hello world");
    EXPECT_EQ(s.forwarded, "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n");
    EXPECT_TRUE(s.done);
}

TEST(body_scanner, trailers_are_dropped) {
    const auto s = scan_in_every_split("1\r\na\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", body_kind::chunked);
    EXPECT_TRUE(s.done);
    EXPECT_EQ(s.forwarded, "1\r\na\r\n0\r\n\r\n");
}

TEST(body_scanner, a_body_until_close_ends_with_the_connection) {
    body_scanner s(body_kind::until_close, 0);
    s.feed("anything");
    EXPECT_FALSE(s.done());
    EXPECT_TRUE(s.finish());
    body_scanner cut(body_kind::length, 9);
    cut.feed("some");
    EXPECT_FALSE(cut.finish());
    EXPECT_TRUE(cut.failed());
}

TEST(body_scanner, malformed_chunks_are_refused) {
    const std::pair<std::string_view, framing_error> bad[] = {
        {"g\r\n", framing_error::bad_chunk_size},
        {"\r\n", framing_error::bad_chunk_size},
        {"+1\r\na\r\n", framing_error::bad_chunk_size},
        {"0x1\r\n", framing_error::bad_chunk_size},
        {"1 \r\na", framing_error::bad_chunk_size},
        {"11111111111111111\r\n", framing_error::bad_chunk_size},
        {"ffffffffffffffff\r\n", framing_error::chunk_too_large},
        {"1\nab", framing_error::bad_chunk_size},
        {"1\r\nab\r\n", framing_error::missing_crlf},
        {"1\r\na\n0\r\n\r\n", framing_error::missing_crlf},
        {"1;a\x01\r\n", framing_error::bad_extension},
        {"0\r\n bad\r\n\r\n", framing_error::bad_trailer},
        {"0\r\nA\r\n\r\n", framing_error::bad_trailer},
        {"0\r\nA : b\r\n\r\n", framing_error::bad_trailer},
        {"0\r\nGET /evil HTTP/1.1\r\n\r\n", framing_error::bad_trailer},
        {"0\r\na: b\r\n: c\r\n\r\n", framing_error::bad_trailer},
    };
    for (const auto& [bytes, error] : bad) {
        body_scanner s(body_kind::chunked, 0);
        s.feed(bytes);
        EXPECT_TRUE(s.failed()) << bytes;
        EXPECT_EQ(describe(s.error()), describe(error)) << bytes;
        EXPECT_TRUE(scan_in_every_split(bytes, body_kind::chunked).failed) << bytes;
    }
    body_scanner s(body_kind::chunked, 0);
    s.feed("1;" + std::string(body_scanner::max_extension + 1, 'x'));
    EXPECT_EQ(s.error(), framing_error::extension_too_long);
    body_scanner t(body_kind::chunked, 0);
    t.feed("0\r\na:" + std::string(body_scanner::max_trailer, 'x'));
    EXPECT_EQ(t.error(), framing_error::trailer_too_long);
}

TEST(body_scanner, knows_where_an_own_chunk_may_be_put_in) {
    body_scanner s(body_kind::chunked, 0);
    EXPECT_TRUE(s.at_chunk_boundary());
    s.feed("3\r\nab");
    EXPECT_FALSE(s.at_chunk_boundary());
    s.feed("c\r\n");
    EXPECT_TRUE(s.at_chunk_boundary());
    s.feed("0");
    EXPECT_FALSE(s.at_chunk_boundary());
}

TEST(chunk_header, is_hexadecimal) {
    std::string out;
    for (const std::uint64_t n : {std::uint64_t{1}, std::uint64_t{16}, std::uint64_t{0xabcdef}})
        append_chunk_header(out, n);
    EXPECT_EQ(out, "1\r\n10\r\nabcdef\r\n");
}

}  // namespace
}  // namespace spillway::http
