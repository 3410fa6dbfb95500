#include "../../../../src/proxy/attempts/upstream_request.hpp"

#include "../room_kit.hpp"

namespace spillway::proxy {
namespace upstream_request_test {

constexpr std::string_view dated = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21&api-key=oops";
constexpr std::string_view v1 = "/openai/v1/chat/completions";

class going_out : public ::testing::Test {
protected:
    upstream_request& of(std::string_view path, std::string_view what,
                         std::string_view fields = "api-key: shop-key\r\n") {
        auto& at = kit_.begin(post(path, what, fields));
        asked_.emplace(at);
        EXPECT_EQ(kit_.run(asked_->read_head()), request::arrival::complete);
        EXPECT_FALSE(asked_->understand());
        EXPECT_FALSE(asked_->classify());
        caller who(at);
        EXPECT_FALSE(who.identify(*asked_));
        EXPECT_TRUE(asked_->body.is_here());
        EXPECT_FALSE(asked_->read_terms());
        way_.emplace(at);
        EXPECT_FALSE(way_->find(*asked_, who));
        out_.emplace(at, *asked_, *way_);
        return *out_;
    }
    const backend& one() const { return kit_.config->pools[0].backends[0]; }
    std::string head() const { return std::string(asked_->memory().out.view()); }
    std::string body() const {
        std::string all;
        for (const auto piece : out_->body()) all += piece;
        return all;
    }
    std::size_t promised() const {
        const auto h = head();
        const auto at = h.find("content-length: ");
        return std::stoul(h.substr(at + 16));
    }

    room_kit kit_;
    std::optional<request> asked_;
    std::optional<plan> way_;
    std::optional<upstream_request> out_;
};

TEST_F(going_out, has_the_backends_name_and_the_gateways_proof) {
    ASSERT_TRUE(of(dated, R"({"messages":[]})").compose(one(), {"api-key", "instance-key"}, {}));
    const auto h = head();
    EXPECT_TRUE(h.starts_with(
        "POST /openai/deployments/d-one/chat/completions?api-version=2024-10-21 HTTP/1.1\r\nhost: one.example\r\n"))
        << h;
    EXPECT_NE(h.find("api-key: instance-key\r\n"), std::string::npos);
    EXPECT_EQ(h.find("shop-key"), std::string::npos);
    EXPECT_EQ(h.find("oops"), std::string::npos);
    EXPECT_EQ(body(), R"({"messages":[]})") << "every byte as it came";
    EXPECT_EQ(promised(), body().size());
}

TEST_F(going_out, leaves_no_proof_in_the_buffer) {
    ASSERT_TRUE(of(dated, "{}").compose(one(), {"api-key", "instance-key"}, {}));
    out_->wipe_proof();
    EXPECT_EQ(head().find("instance-key"), std::string::npos);
}

TEST_F(going_out, puts_the_backends_name_where_the_clients_stood) {
    ASSERT_TRUE(of(v1, R"({"a":1,"model" : "gpt-4o","b":2})").compose(one(), {}, {}));
    EXPECT_EQ(body(), R"({"a":1,"model" : "d-one","b":2})");
    EXPECT_EQ(promised(), body().size());
}

TEST_F(going_out, asks_for_the_usage_of_streams) {
    ASSERT_TRUE(of(v1, R"({"model":"gpt-4o","stream":true})").compose(one(), {}, {}));
    EXPECT_TRUE(out_->asks_usage());
    EXPECT_EQ(body(), R"({"stream_options":{"include_usage":true},"model":"d-one","stream":true})");
    EXPECT_EQ(promised(), body().size());
}

TEST_F(going_out, asks_no_version_that_does_not_know_the_question) {
    ASSERT_TRUE(of("/openai/deployments/gpt-4o/chat/completions?api-version=2024-02-01", R"({"stream":true})")
                    .compose(one(), {}, {}));
    EXPECT_FALSE(out_->asks_usage());
    EXPECT_EQ(body(), R"({"stream":true})");
}

TEST_F(going_out, servers_of_openai_get_the_name_in_the_body) {
    kit_.config->has_openai = true;
    kit_.config->instances[0].kind = config::instance_kind::openai;
    ASSERT_TRUE(of(dated, R"({"n":1})").compose(one(), {}, {}));
    EXPECT_EQ(body(), R"({"model":"d-one","n":1})");
    room_kit empty;
    EXPECT_EQ(promised(), body().size());
    EXPECT_NE(head().find("x-client-request-id: "), std::string::npos);
}

TEST_F(going_out, has_our_traceparent_when_the_request_is_traced) {
    const std::string_view fields = "api-key: shop-key\r\ntraceparent: theirs\r\n";
    ASSERT_TRUE(of(dated, "{}", fields).compose(one(), {}, "ours"));
    EXPECT_NE(head().find("traceparent: ours\r\n"), std::string::npos);
    EXPECT_EQ(head().find("theirs"), std::string::npos);
}

TEST_F(going_out, is_no_request_when_a_field_could_end_early) {
    EXPECT_FALSE(of(dated, "{}").compose(one(), {"api-key", "a\r\nb"}, {}));
    EXPECT_TRUE(asked_->memory().out.empty());
}

}  // namespace upstream_request_test
}  // namespace spillway::proxy
