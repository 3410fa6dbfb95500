#include <spillway/proxy/token_cache.hpp>

#include <gtest/gtest.h>

namespace spillway::proxy {
namespace {

const wall_time noon{hours(500'000)};

std::shared_ptr<identity::token_provider> a_provider() {
    return std::make_shared<identity::token_provider>("p", config::token_provider{}, nullptr);
}

known_token a_token(std::shared_ptr<identity::token_provider> of) {
    known_token t;
    t.text = secret_text("the token");
    t.generation = 3;
    t.version = of->version();
    t.provider = std::move(of);
    t.believed_until = noon + hours(1);
    return t;
}

// A digest by number; the first bytes alone tell them apart, as in the cache itself.
token_cache::digest digest_of(std::uint32_t n) {
    token_cache::digest d{};
    std::memcpy(d.data(), &n, sizeof n);
    return d;
}

identity::provider_keys some_keys() {
    identity::provider_keys out;
    out.issuers = {"https://i"};
    return out;
}

TEST(known_token, holds_until_its_time_is_over) {
    const auto t = a_token(a_provider());
    EXPECT_TRUE(t.holds(3, noon));
    EXPECT_TRUE(t.holds(3, t.believed_until - seconds(1)));
    EXPECT_FALSE(t.holds(3, t.believed_until));
}

TEST(known_token, holds_under_the_configuration_that_it_was_verified_under) {
    const auto t = a_token(a_provider());
    EXPECT_FALSE(t.holds(2, noon));
    EXPECT_FALSE(t.holds(4, noon));
}

TEST(known_token, holds_while_its_providers_keys_are_the_same) {
    const auto provider = a_provider();
    provider->end_refresh(some_keys());
    const auto t = a_token(provider);
    provider->end_refresh(some_keys());
    EXPECT_TRUE(t.holds(3, noon));
    provider->end_refresh(fault{.code = "x"});
    EXPECT_TRUE(t.holds(3, noon)) << "keys that cannot be read again have not changed";
    auto others = some_keys();
    others.issuers = {"https://j"};
    provider->end_refresh(std::move(others));
    EXPECT_FALSE(t.holds(3, noon));
}

TEST(known_token, is_the_same_text_and_no_other) {
    const auto t = a_token(a_provider());
    EXPECT_TRUE(t.is("the token"));
    for (const auto* other : {"", "the toke", "the token ", "The token", "xxxxxxxxx"})
        EXPECT_FALSE(t.is(other)) << other;
}

TEST(token_cache, finds_what_was_added_until_it_is_forgotten) {
    token_cache c;
    const auto t = std::make_shared<const known_token>(a_token(a_provider()));
    EXPECT_EQ(c.find(digest_of(1)), nullptr);
    c.add(digest_of(1), t);
    EXPECT_EQ(c.find(digest_of(1)), t);
    EXPECT_EQ(c.find(digest_of(2)), nullptr);
    c.forget(digest_of(2));
    c.forget(digest_of(1));
    EXPECT_EQ(c.find(digest_of(1)), nullptr);
}

TEST(token_cache, digests_that_begin_alike_are_told_apart) {
    token_cache c;
    auto d = digest_of(1);
    c.add(d, std::make_shared<const known_token>(a_token(a_provider())));
    d.back() = 1;
    EXPECT_EQ(c.find(d), nullptr);
}

TEST(token_cache, the_newest_of_one_digest_counts) {
    token_cache c;
    const auto provider = a_provider();
    c.add(digest_of(1), std::make_shared<const known_token>(a_token(provider)));
    auto later = a_token(provider);
    later.client = 9;
    c.add(digest_of(1), std::make_shared<const known_token>(std::move(later)));
    EXPECT_EQ(c.find(digest_of(1))->client, 9U);
    EXPECT_EQ(c.size(), 1U);
}

TEST(token_cache, the_oldest_gives_way) {
    token_cache c;
    const auto t = std::make_shared<const known_token>(a_token(a_provider()));
    for (std::uint32_t n = 0; n < token_cache::capacity; ++n) c.add(digest_of(n), t);
    EXPECT_NE(c.find(digest_of(0)), nullptr);
    c.add(digest_of(99'999), t);
    EXPECT_EQ(c.find(digest_of(0)), nullptr);
    EXPECT_NE(c.find(digest_of(1)), nullptr);
    EXPECT_NE(c.find(digest_of(99'999)), nullptr);
    EXPECT_EQ(c.size(), token_cache::capacity);
}

TEST(token_cache, what_came_again_after_it_was_forgotten_is_the_newest) {
    token_cache c;
    const auto t = std::make_shared<const known_token>(a_token(a_provider()));
    c.add(digest_of(0), t);
    for (std::uint32_t n = 1; n < token_cache::capacity; ++n) c.add(digest_of(n), t);
    c.forget(digest_of(0));
    c.add(digest_of(0), t);
    c.add(digest_of(99'999), t);
    EXPECT_NE(c.find(digest_of(0)), nullptr);
    EXPECT_EQ(c.find(digest_of(1)), nullptr) << "which is the oldest now";
}

TEST(token_cache, what_is_forgotten_takes_no_room) {
    token_cache c;
    const auto t = std::make_shared<const known_token>(a_token(a_provider()));
    c.add(digest_of(1), t);
    for (std::uint32_t n = 0; n < 2 * token_cache::capacity; ++n) {
        c.add(digest_of(2), t);
        c.forget(digest_of(2));
    }
    EXPECT_NE(c.find(digest_of(1)), nullptr);
}

TEST(token_cache, stays_in_its_bounds_however_often_tokens_come_and_go) {
    token_cache c;
    const auto t = std::make_shared<const known_token>(a_token(a_provider()));
    for (std::uint32_t n = 0; n < 3 * token_cache::capacity; ++n) {
        c.add(digest_of(n % 7), t);
        if (n % 3 == 0) c.forget(digest_of(n % 7));
        c.add(digest_of(n + 100), t);
        EXPECT_LE(c.size(), token_cache::capacity);
        EXPECT_NE(c.find(digest_of(n + 100)), nullptr);
    }
    const std::weak_ptr<const known_token> watched = t;
    c = token_cache();
    EXPECT_EQ(watched.use_count(), 1) << "and lets go of all";
}

}  // namespace
}  // namespace spillway::proxy
