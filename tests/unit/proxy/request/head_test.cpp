#include "../../../../src/proxy/request/request.hpp"

#include "../room_kit.hpp"

namespace spillway::proxy {
namespace head_test {

constexpr std::string_view chat = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21";

class head : public ::testing::Test {
protected:
    request& read(std::string_view bytes) {
        asked_.emplace(kit_.begin(bytes));
        arrival_ = kit_.run(asked_->read_head());
        return *asked_;
    }

    room_kit kit_;
    std::optional<request> asked_;
    request::arrival arrival_{};
};

TEST_F(head, says_what_is_asked_for) {
    auto& r = read(post(chat, "{}"));
    ASSERT_EQ(arrival_, request::arrival::complete);
    EXPECT_FALSE(r.understand());
    EXPECT_EQ(r.method, "POST");
    EXPECT_EQ(r.path, "/openai/deployments/gpt-4o/chat/completions");
    EXPECT_EQ(r.query, "api-version=2024-10-21");
    EXPECT_TRUE(r.keeps);
    EXPECT_EQ(r.id().size(), 32U) << "one is made";
    EXPECT_FALSE(r.classify());
    EXPECT_EQ(r.operation_name(), "chat");
    EXPECT_EQ(r.deployment, "gpt-4o");
}

TEST_F(head, ids_of_clients_are_kept_when_they_are_plain) {
    EXPECT_FALSE(read(post(chat, "{}", "x-request-id: abc-1.2_3\r\n")).understand());
    EXPECT_EQ(asked_->id(), "abc-1.2_3");
    room_kit other;
    request r(other.begin(post(chat, "{}", "x-request-id: a b\r\n")));
    EXPECT_EQ(other.run(r.read_head()), request::arrival::complete);
    EXPECT_FALSE(r.understand());
    EXPECT_EQ(r.id().size(), 32U);
}

TEST_F(head, secrets_leave_the_query) {
    EXPECT_FALSE(read(post("/openai/v1/responses?api-key=abc&x=1", "{}")).understand());
    EXPECT_EQ(asked_->query, "x=1");
}

TEST_F(head, paths_that_read_in_two_ways_are_refused) {
    const auto f = read(post("/openai/v1/../x", "{}")).understand();
    ASSERT_TRUE(f);
    EXPECT_EQ(f->status, 400);
}

TEST_F(head, heads_that_cannot_be_read_are_refused) {
    read("NONSENSE\r\n\r\n");
    EXPECT_EQ(arrival_, request::arrival::refused);
    EXPECT_EQ(asked_->refusal().status, 400);
    EXPECT_EQ(asked_->id().size(), 32U);
}

TEST_F(head, no_head_may_be_larger_than_the_listener_takes) {
    kit_.settings().limits.head = 100;
    read("GET / HTTP/1.1\r\nx: " + std::string(200, 'x') + "\r\n\r\n");
    EXPECT_EQ(arrival_, request::arrival::refused);
    EXPECT_EQ(asked_->refusal().status, 431);
}

TEST_F(head, a_client_that_sends_nothing_is_no_request) {
    kit_.begin("");
    kit_.hang_up();
    asked_.emplace(kit_.again());
    EXPECT_EQ(kit_.run(asked_->read_head()), request::arrival::nothing);
}

TEST_F(head, addresses_of_clients_are_believed_from_trusted_proxies_alone) {
    const std::string bytes = post(chat, "{}", "x-forwarded-for: 198.51.100.1, 203.0.113.5\r\n");
    EXPECT_FALSE(read(bytes).understand());
    EXPECT_EQ(asked_->client_address, "");
    room_kit other;
    other.door->trusted_proxies = {*net::network::parse("192.0.2.0/24")};
    request r(other.begin(bytes));
    EXPECT_EQ(other.run(r.read_head()), request::arrival::complete);
    EXPECT_FALSE(r.understand());
    EXPECT_EQ(r.client_address, "203.0.113.5");
}

TEST_F(head, what_is_released_is_gone) {
    auto& r = read(post(chat, R"({"model":"a","user":"anna"})"));
    EXPECT_FALSE(r.understand());
    EXPECT_FALSE(r.classify());
    ASSERT_TRUE(r.body.is_here());
    EXPECT_FALSE(r.read_terms());
    r.release();
    EXPECT_TRUE(r.path.empty());
    EXPECT_TRUE(r.body.empty());
    EXPECT_FALSE(r.has_memory());
    EXPECT_EQ(r.deployment, "gpt-4o") << "the account still asks for it";
}

}  // namespace head_test
}  // namespace spillway::proxy
