#include "../exchange_kit.hpp"

namespace spillway::proxy {
namespace loop_test {

using kind = core::action::kind;

class attempt_loop : public ::testing::Test {
protected:
    std::uint32_t outstanding(std::size_t i) { return kit_.configured(i).state->outstanding.load(); }
    // One failure that counts is enough to open a breaker.
    void make_touchy() {
        core::breaker_policy p;
        p.failures = 1;
        for (std::size_t i = 0; i < 2; ++i) {
            kit_.configured(i).state->breaker.set_policy(p);
            kit_.config->instances[i].state->set_policy(p);
        }
    }
    bool reaches(std::size_t i) { return kit_.config->instances[i].state->view(clock::now()).usable; }

    exchange_kit kit_;
};

TEST_F(attempt_loop, commits_a_good_answer_and_keeps_its_connection) {
    kit_.ask();
    kit_.one.answers(answer(200, "{}"));
    EXPECT_EQ(kit_.run_attempts().what, kind::commit);
    EXPECT_EQ(kit_.tried->serving()->name, "one/d");
    EXPECT_EQ(outstanding(0), 1U) << "until the last byte";
    kit_.tried->front().feed();
    kit_.tried->finish(true, true);
    kit_.tried->leave();
    EXPECT_EQ(outstanding(0), 0U);
    EXPECT_EQ(kit_.upstream(0).counters().idle, 1U);
    EXPECT_TRUE(kit_.two.requests().empty());
}

TEST_F(attempt_loop, takes_a_429_elsewhere_until_the_told_time) {
    kit_.ask();
    kit_.one.answers(answer(429, "{}", "retry-after: 30\r\n"));
    kit_.two.answers(answer(200, "{}"));
    EXPECT_EQ(kit_.run_attempts().what, kind::commit);
    EXPECT_EQ(kit_.tried->serving()->name, "two/d");
    EXPECT_EQ(kit_.tried->count(), 2U);
    const auto told = kit_.configured(0).state->breaker.view(clock::now());
    EXPECT_EQ(told.mode, core::breaker_mode::throttled);
    EXPECT_GT(told.until, clock::now() + seconds(20));
    EXPECT_LE(told.until, clock::now() + seconds(30));
    EXPECT_EQ(kit_.upstream(0).counters().idle, 1U) << "a refusal that was read whole ends no connection";
    EXPECT_EQ(outstanding(0), 0U);
    EXPECT_EQ(kit_.watcher.errors, (std::vector<std::string>{"throttled"}));
}

TEST_F(attempt_loop, holds_a_500_against_a_backend_when_another_one_serves) {
    make_touchy();
    kit_.ask();
    kit_.one.answers(answer(500, "{}"));
    kit_.two.answers(answer(200, "{}"));
    EXPECT_EQ(kit_.run_attempts().what, kind::commit);
    EXPECT_FALSE(kit_.usable(0));
    EXPECT_TRUE(kit_.usable(1));
}

TEST_F(attempt_loop, blames_nobody_when_all_fail_alike) {
    make_touchy();
    kit_.config->pools[0].breaker.failures = 5;
    kit_.ask();
    kit_.one.answers(answer(500, "{}"));
    kit_.two.answers(answer(500, "{}"));
    const auto next = kit_.run_attempts();
    EXPECT_NE(next.what, kind::send);
    EXPECT_TRUE(kit_.usable(0));
    EXPECT_TRUE(kit_.usable(1));
    EXPECT_EQ(kit_.tried->tries().size(), 2U);
}

TEST_F(attempt_loop, asks_elsewhere_for_free_when_there_is_no_connection) {
    make_touchy();
    kit_.config->pools[0].retry.attempts = 1;
    kit_.ask(exchange_kit::plain, "api-key: shop-key\r\n", false);
    kit_.two.connect(kit_.upstream(1));
    kit_.two.answers(answer(200, "{}"));
    EXPECT_EQ(kit_.run_attempts().what, kind::commit);
    EXPECT_EQ(kit_.watcher.errors, (std::vector<std::string>{"dns_failed"}));
    EXPECT_FALSE(reaches(0)) << "the instance, at once";
    EXPECT_TRUE(kit_.usable(0));
}

TEST_F(attempt_loop, makes_no_more_attempts_than_configured) {
    kit_.config->pools[0].retry.attempts = 1;
    kit_.ask();
    kit_.one.answers(answer(500, "{}"));
    EXPECT_NE(kit_.run_attempts().what, kind::send);
    EXPECT_EQ(kit_.tried->count(), 1U);
    EXPECT_TRUE(kit_.two.requests().empty());
}

TEST_F(attempt_loop, repeats_no_error_without_budget) {
    kit_.ask();
    auto& budget = kit_.config->pools[0].state->budget;
    budget.on_request(clock::now());
    while (budget.take(clock::now())) {
    }
    budget.set_share(0);
    kit_.one.answers(answer(500, "{}"));
    EXPECT_EQ(kit_.run_attempts().what, kind::reply);
    EXPECT_TRUE(kit_.two.requests().empty());
}

TEST_F(attempt_loop, shows_a_429_with_the_smallest_wait_when_all_say_so) {
    kit_.ask();
    kit_.one.answers(answer(429, "{}", "retry-after: 7\r\n"));
    kit_.two.answers(answer(429, "{}", "retry-after: 90\r\n"));
    const auto next = kit_.run_attempts();
    EXPECT_EQ(next.what, kind::commit) << "the backend's own body";
    EXPECT_LE(next.wait, seconds(7));
    EXPECT_GT(next.wait, seconds(1));
}

TEST_F(attempt_loop, never_repeats_what_is_wrong_with_the_request) {
    kit_.ask();
    kit_.one.answers(answer(400, "{}"));
    EXPECT_EQ(kit_.run_attempts().what, kind::commit);
    EXPECT_TRUE(kit_.two.requests().empty());
}

TEST_F(attempt_loop, stops_when_the_client_leaves) {
    make_touchy();
    kit_.ask();
    kit_.one.does([this] { kit_.again().left().fire(); });
    EXPECT_EQ(kit_.run_attempts().what, kind::leave);
    EXPECT_TRUE(kit_.tried->went_out());
    kit_.tried->leave();
    EXPECT_EQ(outstanding(0), 0U);
    EXPECT_TRUE(kit_.usable(0) && reaches(0)) << "nobody is to blame";
    EXPECT_EQ(kit_.upstream(0).counters().idle, 0U) << "an answer may still come on it";
    EXPECT_TRUE(kit_.two.requests().empty());
}

TEST_F(attempt_loop, tells_the_backend_of_an_answer_that_broke_off) {
    make_touchy();
    kit_.ask();
    kit_.one.answers(answer(200, "{}"));
    EXPECT_EQ(kit_.run_attempts().what, kind::commit);
    EXPECT_TRUE(kit_.usable(0));
    kit_.tried->broke_off();
    EXPECT_FALSE(kit_.usable(0));
    EXPECT_EQ(kit_.upstream(0).counters().idle, 0U);
}

}  // namespace loop_test
}  // namespace spillway::proxy
