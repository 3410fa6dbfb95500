#include "../../../../src/proxy/permit/permit.hpp"

#include "../room_kit.hpp"

namespace spillway::proxy {
namespace permit_test {

constexpr std::string_view path = "/openai/v1/chat/completions";
constexpr std::string_view body = R"({"model":"gpt-4o","max_tokens":100})";

config::quota concurrent(std::uint32_t n) {
    config::quota q;
    q.concurrent = n;
    return q;
}
config::quota tokens(std::uint64_t n) {
    config::quota q;
    q.tokens_per_minute = n;
    return q;
}

class permits : public ::testing::Test {
protected:
    permits() : store_(std::move(quota::open({}).value())) {}

    quota::holder& limit(const config::quota& q) {
        auto& c = kit_.config->clients[0];
        c.holders.push_back(store_->get("client:shop", q));
        c.holder_kinds.emplace_back("client");
        c.has_rate = q.tokens_per_minute.has_value();
        return *c.holders.back();
    }
    permit& of(std::string_view what = body) {
        auto& at = kit_.begin(post(path, what));
        asked_.emplace(at);
        EXPECT_EQ(kit_.run(asked_->read_head()), request::arrival::complete);
        EXPECT_FALSE(asked_->understand());
        EXPECT_FALSE(asked_->classify());
        who_.emplace(at);
        EXPECT_FALSE(who_->identify(*asked_));
        EXPECT_TRUE(asked_->body.is_here());
        EXPECT_FALSE(asked_->read_terms());
        asked_->measure_prompt();
        way_.emplace(at);
        EXPECT_FALSE(way_->find(*asked_, *who_));
        permit_.emplace(at, *asked_, *who_, *way_);
        return *permit_;
    }
    std::int64_t running(const quota::holder& h) { return h.look(clock::now(), wall_clock::now()).concurrent; }
    std::int64_t tokens_left(const quota::holder& h) { return *h.remaining(clock::now()).tokens; }

    std::unique_ptr<quota::store> store_;
    room_kit kit_;
    std::optional<request> asked_;
    std::optional<caller> who_;
    std::optional<plan> way_;
    std::optional<permit> permit_;
};

TEST_F(permits, nothing_limits_who_has_no_quota) {
    EXPECT_FALSE(of().is_needed());
    EXPECT_FALSE(permit_->tells_rate());
}

TEST_F(permits, are_taken_and_settled_once) {
    auto& h = limit(concurrent(1));
    EXPECT_TRUE(of().is_needed());
    EXPECT_FALSE(kit_.run(permit_->take()));
    EXPECT_EQ(running(h), 1);
    permit_->settle({}, clock::now());
    EXPECT_EQ(running(h), 0);
    permit_->settle({}, clock::now());
    EXPECT_EQ(running(h), 0);
}

TEST_F(permits, come_back_when_the_request_is_gone) {
    auto& h = limit(concurrent(1));
    EXPECT_FALSE(kit_.run(of().take()));
    permit_.reset();
    EXPECT_EQ(running(h), 0);
}

TEST_F(permits, a_second_one_beyond_the_limit_is_refused) {
    auto& h = limit(concurrent(1));
    EXPECT_EQ(h.take({}, clock::now(), wall_clock::now()).what, quota::verdict::kind::granted);
    const auto f = kit_.run(of().take());
    ASSERT_TRUE(f);
    EXPECT_EQ(f->status, 429);
    EXPECT_EQ(running(h), 1) << "only the other one";
}

TEST_F(permits, all_or_nothing_over_several_holders) {
    auto& mine = limit(concurrent(5));
    auto& c = kit_.config->clients[0];
    c.holders.push_back(store_->get("group:all", concurrent(1)));
    c.holder_kinds.emplace_back("group");
    EXPECT_EQ(c.holders[1]->take({}, clock::now(), wall_clock::now()).what, quota::verdict::kind::granted);
    const auto f = kit_.run(of().take());
    ASSERT_TRUE(f);
    EXPECT_NE(f->message.find("group"), std::string::npos);
    EXPECT_EQ(running(mine), 0);
}

TEST_F(permits, reserve_what_the_request_may_take_and_settle_what_it_took) {
    auto& h = limit(tokens(60'000));
    const auto before = tokens_left(h);
    EXPECT_FALSE(kit_.run(of().take()));
    EXPECT_TRUE(permit_->tells_rate());
    EXPECT_LE(tokens_left(h), before - 100);
    permit_->settle({10, 0}, clock::now());
    EXPECT_GE(tokens_left(h), before - 11);
}

TEST_F(permits, in_two_steps_when_the_body_is_on_its_way) {
    auto& h = limit(concurrent(1));
    EXPECT_FALSE(kit_.run(of().enter()));
    EXPECT_EQ(running(h), 1);
    EXPECT_FALSE(kit_.run(permit_->take()));
    EXPECT_EQ(running(h), 1) << "it is the same request";
    permit_->give_back();
    EXPECT_EQ(running(h), 0);
}

TEST_F(permits, another_thread_may_settle_what_was_held) {
    auto& h = limit(concurrent(1));
    EXPECT_FALSE(kit_.run(of().take()));
    const auto held = permit_->hold();
    ASSERT_EQ(held.holders.size(), 1U);
    permit_->leave();
    EXPECT_EQ(running(h), 0) << "the next request may come";
    permit_->settle({}, clock::now());
    EXPECT_EQ(running(h), 0);
}

TEST_F(permits, a_spent_budget_is_not_there_again_when_an_sdk_repeats) {
    config::quota q;
    q.budget = config::budget{10, std::nullopt, config::period::day};
    limit(q);
    const auto f = kit_.run(of().take());
    ASSERT_TRUE(f);
    EXPECT_EQ(f->status, 403);
    EXPECT_EQ(f->should_retry, false);
    EXPECT_EQ(f->wait, duration::zero());
}

}  // namespace permit_test
}  // namespace spillway::proxy
