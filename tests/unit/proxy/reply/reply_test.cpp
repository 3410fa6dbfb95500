#include "../../../../src/proxy/reply/reply.hpp"

#include "../exchange_kit.hpp"

namespace spillway::proxy {
namespace reply_test {

class replying : public ::testing::Test {
protected:
    bool refuse(int status, std::string_view code, std::string_view bytes = post(exchange_kit::path, "{}")) {
        auto& at = kit_.begin(bytes);
        kit_.asked.emplace(at);
        EXPECT_EQ(kit_.run(kit_.asked->read_head()), request::arrival::complete);
        EXPECT_FALSE(kit_.asked->understand());
        kit_.make_rooms(at);
        if (drains_) kit_.process().draining = true;
        fault f{.code = code, .who = origin::client, .status = status, .message = "why"};
        f.wait = wait_;
        return kit_.run(kit_.own->refuse(f));
    }
    bool gets(std::string_view text) { return kit_.got().find(text) != std::string::npos; }

    exchange_kit kit_;
    duration wait_{};
    bool drains_{false};
};

TEST_F(replying, an_error_has_the_form_that_sdks_read) {
    EXPECT_TRUE(refuse(404, "DeploymentNotFound"));
    EXPECT_TRUE(gets("HTTP/1.1 404 Not Found\r\n"));
    EXPECT_TRUE(gets(R"({"error":{"code":"DeploymentNotFound","message":"why","type":"not_found_error")"));
    EXPECT_EQ(kit_.sent.code(), "DeploymentNotFound");
}

TEST_F(replying, a_wait_is_told_in_seconds_and_milliseconds) {
    wait_ = milliseconds(1200);
    refuse(429, "TooManyRequests");
    EXPECT_TRUE(gets("retry-after: 2\r\n"));
    EXPECT_TRUE(gets("retry-after-ms: 1200\r\n"));
}

TEST_F(replying, head_gets_the_length_and_no_body) {
    refuse(405, "MethodNotAllowed", "HEAD /openai/v1/models HTTP/1.1\r\nhost: g\r\n\r\n");
    EXPECT_TRUE(gets("content-length: "));
    EXPECT_FALSE(gets("content-length: 0\r\n"));
    EXPECT_TRUE(gets("allow: "));
    EXPECT_TRUE(kit_.got().ends_with("\r\n\r\n"));
}

TEST_F(replying, a_draining_gateway_ends_the_connection) {
    drains_ = true;
    EXPECT_FALSE(refuse(404, "DeploymentNotFound"));
    EXPECT_TRUE(gets("connection: close\r\n"));
}

TEST_F(replying, a_401_names_the_ways_to_prove_oneself) {
    refuse(401, "Unauthorized");
    EXPECT_TRUE(gets("www-authenticate: Bearer realm=\"spillway\", ApiKey\r\n"));
}

}  // namespace reply_test
}  // namespace spillway::proxy
