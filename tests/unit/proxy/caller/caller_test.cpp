#include "../../../../src/proxy/caller/caller.hpp"

#include "../room_kit.hpp"

namespace spillway::proxy {
namespace caller_test {

constexpr std::string_view path = "/openai/v1/responses";

struct answer {
    maybe_fault why;
    std::optional<std::size_t> client;
    std::string method, refused;
};

answer identify(room_kit& kit, std::string_view fields) {
    auto& at = kit.begin(post(path, "{}", fields));
    request asked(at);
    EXPECT_EQ(kit.run(asked.read_head()), request::arrival::complete);
    caller who(at);
    auto f = who.check_door(asked);
    if (!f) f = who.identify(asked);
    return {std::move(f), who.client, std::string(who.method), std::string(who.refused)};
}
answer identify(std::string_view fields) {
    room_kit kit;
    return identify(kit, fields);
}

TEST(caller, keys_in_any_of_their_headers) {
    EXPECT_EQ(identify("api-key: shop-key\r\n").client, 0U);
    EXPECT_EQ(identify("authorization: Bearer lab-key\r\n").client, 1U);
    EXPECT_EQ(identify("ocp-apim-subscription-key: lab-key\r\n").client, 1U);
    EXPECT_EQ(identify("api-key: lab-key\r\n").method, "key");
}

TEST(caller, who_brings_no_key_or_a_wrong_one) {
    const auto none = identify("");
    ASSERT_TRUE(none.why);
    EXPECT_EQ(none.why->status, 401);
    EXPECT_EQ(none.refused, "missing");
    EXPECT_EQ(none.method, "none");
    const auto wrong = identify("api-key: what\r\n");
    ASSERT_TRUE(wrong.why);
    EXPECT_EQ(wrong.why->status, 401);
    EXPECT_EQ(wrong.refused, "key_unknown");
    EXPECT_FALSE(wrong.client);
    EXPECT_EQ(identify("api-key: " + std::string(1000, 'x') + "\r\n").why->status, 401);
}

TEST(caller, proof_that_reads_in_two_ways) {
    EXPECT_EQ(identify("api-key: shop-key\r\nauthorization: Bearer lab-key\r\n").why->status, 400);
    EXPECT_EQ(identify("authorization: Bearer a\r\nauthorization: Bearer a\r\n").why->status, 400);
}

TEST(caller, keys_have_their_time) {
    room_kit kit;
    const auto now = wall_clock::now();
    kit.config->keys.add(kit.worker().sha256("old"), 1, {.expires = now - hours(1)});
    kit.config->keys.add(kit.worker().sha256("new"), 1, {.not_before = now + hours(1)});
    kit.config->key_labels.resize(4);
    EXPECT_EQ(identify(kit, "api-key: old\r\n").refused, "key_expired");
    room_kit other;
    other.config->keys.add(other.worker().sha256("new"), 1, {.not_before = now + hours(1)});
    other.config->key_labels.resize(3);
    EXPECT_EQ(identify(other, "api-key: new\r\n").refused, "key_not_yet");
}

TEST(caller, the_doors_of_a_listener) {
    room_kit closed;
    closed.door->allow = {*net::network::parse("10.0.0.0/8")};
    EXPECT_EQ(identify(closed, "api-key: shop-key\r\n").why->code, "AddressNotAllowed");
    room_kit front;
    front.settings().front_door.ids = {"0f0f"};
    EXPECT_EQ(identify(front, "api-key: shop-key\r\n").why->code, "FrontDoorRequired");
    room_kit known;
    known.settings().front_door.ids = {"0f0f"};
    EXPECT_EQ(identify(known, "api-key: shop-key\r\nx-azure-fdid: 0F0F\r\n").client, 0U);
    room_kit twice;
    twice.settings().front_door.ids = {"0f0f"};
    EXPECT_EQ(identify(twice, "api-key: shop-key\r\nx-azure-fdid: 0f0f\r\nx-azure-fdid: 0f0f\r\n").why->code,
              "FrontDoorRequired");
    room_kit elsewhere;
    elsewhere.settings().front_door.ids = {"0f0f"};
    elsewhere.door->trusted_proxies = {*net::network::parse("10.0.0.0/8")};
    EXPECT_EQ(identify(elsewhere, "api-key: shop-key\r\nx-azure-fdid: 0f0f\r\n").why->code, "FrontDoorRequired")
        << "the peer is none of the front's addresses";
}

}  // namespace caller_test
}  // namespace spillway::proxy
