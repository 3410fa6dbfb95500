#include "../../../../src/proxy/answer/relay.hpp"

#include "../exchange_kit.hpp"

namespace spillway::proxy {
namespace relay_test {

class relaying : public ::testing::Test {
protected:
    bool gets(std::string_view text) { return kit_.got().find(text) != std::string::npos; }

    exchange_kit kit_;
};

TEST_F(relaying, passes_a_whole_answer_and_keeps_both_connections) {
    kit_.ask();
    kit_.one.answers(answer(200, R"({"usage":{"total_tokens":3}})", "set-cookie2: x\r\nx-ms-region: here\r\n"));
    EXPECT_TRUE(kit_.run_exchange());
    EXPECT_TRUE(kit_.got().ends_with(R"({"usage":{"total_tokens":3}})"));
    EXPECT_TRUE(gets("x-ms-region: here\r\n"));
    EXPECT_FALSE(gets("set-cookie2"));
    EXPECT_TRUE(gets("x-spillway-backend: one/d\r\n"));
    EXPECT_NE(kit_.pipe->usage_json().find("total_tokens"), std::string_view::npos);
    EXPECT_EQ(kit_.upstream(0).counters().idle, 1U);
}

TEST_F(relaying, ends_a_broken_stream_in_the_error_form_of_its_family) {
    kit_.ask(exchange_kit::streaming);
    kit_.one.hangs_up(stream_of(hello));
    EXPECT_FALSE(kit_.run_exchange());
    EXPECT_TRUE(gets("hello"));
    EXPECT_TRUE(gets("data: {\"error\""));
    EXPECT_FALSE(gets("[DONE]"));
    EXPECT_EQ(kit_.sent.broken_why(), "upstream_closed");
}

TEST_F(relaying, adds_nothing_to_a_plain_answer_that_breaks_off) {
    kit_.ask();
    kit_.one.hangs_up("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"a\":");
    EXPECT_FALSE(kit_.run_exchange());
    EXPECT_TRUE(kit_.got().ends_with("{\"a\":")) << "no clean end";
    EXPECT_EQ(kit_.sent.broken_why(), "upstream_closed");
    EXPECT_EQ(kit_.upstream(0).counters().idle, 0U);
}

TEST_F(relaying, says_in_comments_that_a_silent_stream_lives) {
    kit_.settings().sse_keep_alive = milliseconds(20);
    kit_.ask(exchange_kit::streaming);
    kit_.one.answers(stream_of(hello));
    kit_.meanwhile([&]() -> net::task<> {
        co_await kit_.until([&] { return gets(": keep-alive\n\n"); });
        kit_.one.says(chunk(done) + "0\r\n\r\n");
    });
    EXPECT_TRUE(kit_.run_exchange());
    EXPECT_TRUE(gets("[DONE]"));
    EXPECT_FALSE(kit_.sent.broke());
}

TEST_F(relaying, leaves_the_backend_when_the_client_is_gone) {
    kit_.ask(exchange_kit::streaming);
    kit_.one.answers(stream_of(hello));
    kit_.meanwhile([&]() -> net::task<> {
        co_await kit_.until([&] { return gets("hello"); });
        kit_.again().left().fire();
        co_await kit_.rounds();
    });
    EXPECT_FALSE(kit_.run_exchange());
    EXPECT_TRUE(kit_.sent.client_left());
    EXPECT_EQ(kit_.one.left_alone(), 1);
    EXPECT_TRUE(kit_.usable(0));
}

TEST_F(relaying, a_client_that_does_not_read_stops_the_reading_of_its_backend) {
    constexpr std::size_t all = 8 * 1024 * 1024;
    kit_.ask();
    kit_.one.answers("HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(all) + "\r\n\r\n");
    std::size_t said = 0, stuck = 0;
    const std::string piece(16384, 'x');
    kit_.meanwhile([&]() -> net::task<> {
        co_await kit_.until([&] { return !kit_.one.requests().empty(); });
        co_await kit_.rounds();
        for (int i = 0; i < 2000; ++i) {
            said += kit_.one.says(std::string_view(piece).substr(0, std::min(piece.size(), all - said)));
            co_await net::yield(kit_.worker().loop());
        }
        stuck = said;
        while (said < all && !kit_.again().left().fired()) {
            kit_.got();
            said += kit_.one.says(std::string_view(piece).substr(0, std::min(piece.size(), all - said)));
            co_await net::yield(kit_.worker().loop());
        }
        co_await kit_.until([&] { return kit_.got().size() > all; });
    });
    EXPECT_TRUE(kit_.run_exchange());
    EXPECT_LT(stuck, all / 4) << "two sockets' buffers and a slab";
    EXPECT_EQ(said, all);
}

}  // namespace relay_test
}  // namespace spillway::proxy
