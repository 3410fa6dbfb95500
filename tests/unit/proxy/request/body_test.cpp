#include "../../../../src/proxy/request/body.hpp"

#include "../../../../src/proxy/request/request.hpp"
#include "../room_kit.hpp"

namespace spillway::proxy {
namespace body_test {

constexpr std::string_view path = "/openai/v1/responses";

class body : public ::testing::Test {
protected:
    request_body& of(std::string_view bytes) {
        asked_.emplace(kit_.begin(bytes));
        EXPECT_EQ(kit_.run(asked_->read_head()), request::arrival::complete);
        EXPECT_FALSE(asked_->understand());
        return asked_->body;
    }
    std::string chunked(std::string_view wire, std::string_view more = "") {
        return "POST " + std::string(path) + " HTTP/1.1\r\nhost: g\r\n" + std::string(more) +
               "transfer-encoding: chunked\r\n\r\n" + std::string(wire);
    }

    room_kit kit_;
    std::optional<request> asked_;
};

TEST_F(body, that_came_with_its_head_is_here) {
    auto& b = of(post(path, "{\"a\":1}"));
    EXPECT_TRUE(b.is_here());
    EXPECT_EQ(b.view(), "{\"a\":1}");
    EXPECT_TRUE(b.is_read());
    EXPECT_GT(b.received(), b.size());
}

TEST_F(body, in_chunks_is_put_together) {
    auto& b = of(chunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
    EXPECT_FALSE(b.is_here());
    EXPECT_FALSE(kit_.run(b.read(0)));
    EXPECT_EQ(b.view(), "abcde");
    EXPECT_TRUE(b.in_step());
}

TEST_F(body, malformed_chunks_leave_the_connection_out_of_step) {
    auto& b = of(chunked("zz\r\n"));
    const auto f = kit_.run(b.read(0));
    ASSERT_TRUE(f);
    EXPECT_EQ(f->code, "BadRequest");
    EXPECT_FALSE(b.in_step());
}

TEST_F(body, larger_than_the_listener_takes) {
    kit_.settings().limits.body = 4;
    auto& sized = of(post(path, "12345"));
    EXPECT_FALSE(sized.is_here());
    EXPECT_EQ(kit_.run(sized.read(0))->code, "RequestTooLarge");
    room_kit other;
    other.settings().limits.body = 4;
    request r(other.begin(chunked("5\r\n12345\r\n0\r\n\r\n")));
    EXPECT_EQ(other.run(r.read_head()), request::arrival::complete);
    EXPECT_EQ(other.run(r.body.read(0))->code, "RequestTooLarge");
}

TEST_F(body, memory_is_the_clients_share) {
    kit_.tree->gateway.body_memory = 4000;
    kit_.tree->gateway.client_body_share = 0.25;
    kit_.config->clients[0].body_bytes->store(990);
    auto& b = of(chunked("3\r\nabc\r\n0\r\n\r\n"));
    const auto f = kit_.run(b.read(0));
    ASSERT_TRUE(f);
    EXPECT_EQ(f->code, "TooManyRequestBodies");
    EXPECT_EQ(f->wait, seconds(1));
    EXPECT_EQ(kit_.config->clients[0].body_bytes->load(), 990U);
    EXPECT_EQ(kit_.process().body_bytes.load(), 0U);
}

TEST_F(body, memory_comes_back) {
    auto& b = of(chunked("3\r\nabc\r\n0\r\n\r\n"));
    EXPECT_FALSE(kit_.run(b.read(1)));
    EXPECT_GT(kit_.config->clients[1].body_bytes->load(), 0U);
    EXPECT_GT(kit_.process().body_bytes.load(), 0U);
    b.release();
    EXPECT_EQ(kit_.config->clients[1].body_bytes->load(), 0U);
    EXPECT_EQ(kit_.process().body_bytes.load(), 0U);
}

TEST_F(body, type_and_coding_are_looked_at) {
    const auto refused = [](std::string_view fields) {
        room_kit kit;
        request r(kit.begin(post(path, "{}", fields)));
        EXPECT_EQ(kit.run(r.read_head()), request::arrival::complete);
        const auto f = r.body.check_content(core::body_form::json);
        return f ? std::string(f->code) : std::string();
    };
    EXPECT_EQ(refused("content-type: application/json\r\n"), "");
    EXPECT_EQ(refused(""), "");
    EXPECT_EQ(refused("content-type: text/plain\r\n"), "UnsupportedMediaType");
    EXPECT_EQ(refused("content-type: application/json; charset=latin1\r\n"), "UnsupportedMediaType");
    EXPECT_EQ(refused("content-type: application/json\r\ncontent-type: application/json\r\n"),
              "UnsupportedMediaType");
    EXPECT_EQ(refused("content-encoding: br\r\n"), "UnsupportedContentEncoding");
    EXPECT_EQ(refused("content-encoding: gzip\r\n"), "");
}

TEST_F(body, a_small_rest_of_a_refused_request_is_read_and_forgotten) {
    auto& b = of(post(path, "{\"a\":1}") + "GET / HTTP/1.1\r\n\r\n");
    kit_.run(b.drain());
    EXPECT_TRUE(b.in_step());
    b.consume_input();
    EXPECT_TRUE(kit_.input().starts_with("GET /")) << "the next request is untouched";
}

TEST_F(body, a_large_rest_ends_the_connection) {
    auto& b = of("POST /x HTTP/1.1\r\nhost: g\r\ncontent-length: 99999999\r\n\r\nabc");
    kit_.run(b.drain());
    EXPECT_FALSE(b.in_step());
}

}  // namespace body_test
}  // namespace spillway::proxy
