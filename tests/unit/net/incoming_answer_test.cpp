#include "../../../src/net/incoming_answer.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include <spillway/http/head.hpp>

namespace spillway::net {
namespace incoming_answer_test {

// What becomes of an answer that comes in pieces of one size, and ends with the connection.
std::string heard(std::string_view bytes, std::size_t piece, std::size_t most_body = 1000) {
    incoming_answer answer(most_body);
    while (!bytes.empty() && !answer.done()) {
        const std::size_t n = std::min({piece, bytes.size(), answer.room().size()});
        std::copy(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n), answer.room().begin());
        bytes.remove_prefix(n);
        if (const auto trouble = answer.take(n)) return std::string(trouble->code);
    }
    if (!answer.done() && !answer.end()) return "cut short";
    const auto got = answer.release();
    return std::to_string(got.status) + '|' + got.retry_after + '|' + got.body + '|' + got.head;
}

TEST(incoming_answer, is_the_same_in_whatever_pieces_it_comes) {
    const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    const std::string early = "HTTP/1.1 103 Early Hints\r\nRetry-After: 1\r\n\r\n";
    const std::string plain = "HTTP/1.1 429 X\r\nRetry-After: 7\r\nContent-Length: 3\r\n\r\n";
    const std::pair<std::string, std::string> cases[] = {
        {plain + "abc", "429|7|abc|" + plain},
        {early + early + plain + "abcdef", "429|7|abc|" + plain},
        {chunked + "0\r\n\r\n", "200|||" + chunked},
        {chunked + "0;a=b\r\nRetry-After: 9\r\n\r\n", "200|||" + chunked},
        {chunked + "1\r\na\r\n3;x=\"y\"\r\nbcd\r\n00\r\n\r\n", "200||abcd|" + chunked},
        {"HTTP/1.0 200 OK\r\n\r\nall", "200||all|HTTP/1.0 200 OK\r\n\r\n"},
        {"HTTP/1.0 200 OK\r\n\r\n", "200|||HTTP/1.0 200 OK\r\n\r\n"},
        {"HTTP/1.1 204 X\r\n\r\n", "204|||HTTP/1.1 204 X\r\n\r\n"},
        {plain + "ab", "cut short"},
        {early, "cut short"},
        {chunked + "1\r\na\r\n0\r\n", "cut short"},
        {chunked + "zzz\r\n", "FetchFailed"},
        {"HTTP/1.1 099 X\r\n\r\n", "FetchFailed"},
        {"HTTP/1.1 200 X\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "FetchFailed"},
        {"HTTP/1.1 200 X\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "FetchFailed"},
    };
    for (const auto& [bytes, expected] : cases)
        for (std::size_t piece = 1; piece <= bytes.size(); ++piece)
            EXPECT_EQ(heard(bytes, piece), expected) << "pieces of " << piece << ": " << bytes;
}

TEST(incoming_answer, bounds_hold_in_whatever_pieces_it_comes) {
    const std::string head = "HTTP/1.1 200 OK\r\n", chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
    std::string fields = head, interim, chunks = chunked;
    while (fields.size() < 70'000) fields += "x: y\r\n";
    for (std::size_t i = 0; i <= http::most_interim_heads; ++i) interim += "HTTP/1.1 102 X\r\n\r\n";
    for (int i = 0; i < 900; ++i) chunks += "1;" + std::string(200, 'e') + "\r\nx\r\n";
    const std::pair<std::string, std::string> cases[] = {
        {fields + "\r\n", "FetchTooLarge"},
        {head + "x: " + std::string(70'000, 'y') + "\r\n\r\n", "FetchTooLarge"},
        {interim + head + "\r\n", "FetchFailed"},
        {chunked + "0\r\nx: " + std::string(9000, 't') + "\r\n\r\n", "FetchFailed"},
        {chunked + "1;" + std::string(9000, 'e') + "\r\n", "FetchFailed"},
        {chunks, "FetchTooLarge"},
        {chunked + "3e9\r\n", "FetchTooLarge"},
        {head + "Content-Length: 1001\r\n\r\n", "FetchTooLarge"},
        {head + "\r\n" + std::string(1001, 'b'), "FetchTooLarge"},
    };
    for (const auto& [bytes, expected] : cases)
        for (const std::size_t piece : {1, 7, 1000, 8192})
            EXPECT_EQ(heard(bytes, piece), expected) << "pieces of " << piece << ": " << bytes.substr(0, 100);
}

}  // namespace incoming_answer_test
}  // namespace spillway::net
