#include <gtest/gtest.h>

#include "redis_gateway.hpp"
#include "redis_liar.hpp"

// A Redis that says what cannot be, or keeps what does not belong there: it is bounded before it is believed, and
// over when it is honest again.
namespace spillway::quota {
namespace {

using core::quota_limit;
using kind = verdict::kind;
using namespace std::chrono_literals;

const std::string state_key = "spillway:q:{client:shop}:s";
std::string month_key() {
    return "spillway:q:{client:shop}:b:" + core::period_key(wall_clock::now(), config::period::month);
}

// Where numbers of an answer stand, behind the number of the question.
enum at : std::size_t {
    code = 1,
    permits_held = 2,
    requests_more = 3,
    requests_left = 4,
    tokens_more = 6,
    tokens_left = 7,
    wait_of = 5,
    born = 9,
    generation = 10
};

struct lie {
    const char* name;
    std::vector<std::pair<std::size_t, std::string>> numbers;
};
std::ostream& operator<<(std::ostream& to, const lie& l) { return to << l.name; }

class wrong_number : public testing::TestWithParam<lie> {};

TEST_P(wrong_number, is_over_when_redis_is_honest_again) {
    redis_server redis;
    redis_liar liar(redis.port());
    auto q = rates(60'000, 6'000'000);
    q.concurrent = 50;
    const auto a = opened(liar.url(), "a", q, 1);
    const auto asks = [&] {
        const auto v = a.take({1000, 0});
        if (v.what == kind::granted) a.settle({1000, 0}, {1000, 0});
        return v;
    };
    ASSERT_EQ(asks().what, kind::granted);
    liar.lie([](std::string& answer) { put_numbers(answer, GetParam().numbers); });
    for (int i = 0; i < 20; ++i) {
        const auto v = asks();
        EXPECT_LE(v.wait, hours(49)) << "no wait that nobody can have";
        std::this_thread::sleep_for(5ms);
    }
    liar.honest();
    EXPECT_TRUE(eventually([&] { return a.s->look().up && asks().what == kind::granted; }, 2s))
        << a.s->look().last_error;
    redis.say("FLUSHALL");
    EXPECT_TRUE(eventually([&] { return asks().what == kind::granted; }, 2s)) << "nobody tells it again";
}

const std::string highest = "9223372036854775807", lowest = "-9223372036854775808", debt = "-1000000000000";
INSTANTIATE_TEST_SUITE_P(redis_lies, wrong_number,
                         testing::Values(lie{"all_highest",
                                             {{code, highest},
                                              {permits_held, highest},
                                              {requests_more, highest},
                                              {requests_left, highest},
                                              {wait_of, highest},
                                              {tokens_more, highest},
                                              {tokens_left, highest},
                                              {8, highest},
                                              {born, highest},
                                              {generation, highest}}},
                                         lie{"all_lowest",
                                             {{code, lowest},
                                              {permits_held, lowest},
                                              {requests_more, lowest},
                                              {requests_left, lowest},
                                              {wait_of, lowest},
                                              {tokens_more, lowest},
                                              {tokens_left, lowest},
                                              {8, lowest},
                                              {born, lowest},
                                              {generation, lowest}}},
                                         lie{"requests_owed", {{requests_more, debt}}},
                                         lie{"tokens_owed", {{tokens_more, debt}}},
                                         lie{"requests_highest", {{requests_more, highest}}},
                                         lie{"requests_lowest", {{requests_more, lowest}}},
                                         lie{"left_lowest", {{requests_left, lowest}, {tokens_left, lowest}}},
                                         lie{"left_highest", {{requests_left, highest}}},
                                         lie{"permits_highest", {{permits_held, highest}}},
                                         lie{"permits_lowest", {{permits_held, lowest}}},
                                         lie{"waits_highest", {{code, "2"}, {wait_of, highest}}},
                                         lie{"waits_lowest", {{code, "2"}, {wait_of, lowest}}},
                                         lie{"budget_out", {{code, "5"}}},
                                         lie{"generation_new", {{generation, "99"}}}),
                         [](const auto& i) { return std::string(i.param.name); });

TEST(redis_lies, a_budget_of_another_gateway_that_cannot_be_shuts_nobody_out) {
    redis_server redis;
    const auto a = opened(redis.url(), "a", budget(10'000));
    ASSERT_EQ(a.take({100, 0}).what, kind::granted);
    redis.set_field(month_key(), "gw9.", "4000000000000000000 0 0 0 0");
    redis.set_field(month_key(), "gw8.1", "2000000 0 0 0 0");
    EXPECT_EQ(a.take({9'900, 0}).what, kind::granted) << "200 times the budget were never spent";
}

TEST(redis_lies, a_budget_that_can_hardly_be_counts_while_redis_says_it_and_is_not_told_again) {
    redis_server redis;
    const auto a = opened(redis.url(), "a", budget(10'000));
    ASSERT_EQ(a.take({100, 0}).what, kind::granted);
    redis.set_field(month_key(), "gw9.", "500000 0 0 0 0");
    ASSERT_TRUE(eventually([&] { return a.take({1, 0}).limit == quota_limit::budget_tokens; }));
    redis.say("FLUSHALL");
    EXPECT_TRUE(eventually([&] { return a.take({1, 0}).what == kind::granted; }, 2s));
    EXPECT_EQ(redis.say("HEXISTS " + month_key() + " gw9."), "0");
}

TEST(redis_lies, a_reset_forgets_what_others_said_at_all_gateways_and_keeps_what_each_has_spent) {
    redis_server redis;
    const auto a = opened(redis.url(), "a", budget(10'000)), b = opened(redis.url(), "b", budget(10'000));
    for (const auto* g : {&a, &b}) {
        ASSERT_EQ(g->take({1'000, 0}).what, kind::granted);
        g->settle({1'000, 0}, {1'000, 0});
    }
    redis.set_field(month_key(), "gw9.", "15000 0 0 0 0");  // may be: a budget that was lowered
    const auto told = [&](std::int64_t spent) {
        // Too much for any budget: it makes a gateway listen.
        for (const auto* g : {&a, &b}) g->h->take({20'000, 0}, clock::now(), wall_clock::now());
        return a.look().budget_tokens == spent && b.look().budget_tokens == spent;
    };
    ASSERT_TRUE(eventually([&] { return told(17'000); }));
    EXPECT_EQ(a.take({1, 0}).limit, quota_limit::budget_tokens);
    ASSERT_TRUE(a.s->reset("client:shop"));
    EXPECT_FALSE(a.s->reset("client:nobody"));
    EXPECT_TRUE(eventually([&] { return told(2'000); })) << a.look().budget_tokens << ' ' << b.look().budget_tokens;
    EXPECT_EQ(redis.say("HEXISTS " + month_key() + " gw9."), "0");
    EXPECT_EQ(a.take({8'001, 0}).limit, quota_limit::budget_tokens);
    EXPECT_EQ(b.take({8'000, 0}).what, kind::granted);
}

TEST(redis_lies, a_reset_fills_buckets) {
    redis_server redis;
    const auto a = opened(redis.url(), "a", rates({}, 60'000));
    ASSERT_EQ(a.take({1'000, 0}).what, kind::granted);
    a.settle({1'000, 0}, {90'000, 0});
    ASSERT_TRUE(eventually([&] { return a.take({1, 0}).wait > 10s; }));
    ASSERT_TRUE(a.s->reset("client:shop"));
    EXPECT_TRUE(eventually([&] { return a.take({1'000, 0}).what == kind::granted; }, 2s));
    EXPECT_NE(redis.say("HGET " + state_key + " g"), "0");
}

TEST(redis_lies, text_in_the_place_of_a_number_heals) {
    redis_server redis;
    const auto a = opened(redis.url(), "a", rates(6'000, 6'000'000), 1);
    for (const auto* wrong : {"inf", "-inf", "nan", "1e308", "x", "500000", ""}) {
        for (const auto* field : {"r", "t", "at", "born", "g", "of"}) redis.set_field(state_key, field, wrong);
        EXPECT_TRUE(eventually([&] { return a.take({1'000, 0}).what == kind::granted; }, 3s)) << wrong;
        EXPECT_TRUE(a.s->look().up);
    }
}

TEST(redis_lies, one_answer_too_many_gives_nobody_the_verdict_of_another) {
    redis_server redis;
    redis_liar liar(redis.port());
    const auto a = opened(liar.url(), "a", rates(600, {}), 1);
    const auto other = a.s->get("client:other", rates(6'000'000, {}));
    const gateway b{nullptr, other};
    ASSERT_EQ(a.take({}).what, kind::granted);
    std::atomic<bool> once{false};
    liar.lie([&once](std::string& answer) {
        if (!once.exchange(true)) answer += answer;
    });
    int mine = 0, others = 0, rounds = 0;
    for (const auto end = clock::now() + 1500ms; clock::now() < end; ++rounds) {
        mine += a.take({}).what == kind::granted ? 1 : 0;
        others += b.take({}).what == kind::granted ? 1 : 0;
        std::this_thread::sleep_for(1ms);
    }
    EXPECT_TRUE(once);
    EXPECT_EQ(others, rounds);
    EXPECT_LE(mine, 20 + 16 + 10) << "a burst, what flows back, and a share of one gateway once more";
    EXPECT_GE(a.s->look().failures, 1U);
    EXPECT_GE(liar.connections(), 2);
}

TEST(redis_lies, a_key_of_another_type_is_replaced) {
    redis_server redis;
    const auto a = opened(redis.url(), "a", budget(10'000));
    ASSERT_EQ(a.take({100, 0}).what, kind::granted);
    for (const auto& key : {state_key, month_key()}) {
        redis.say("DEL " + key);
        redis.say("SET " + key + " x");
    }
    ASSERT_EQ(a.take({9'900, 0}).what, kind::granted);
    EXPECT_TRUE(eventually(
        [&] { return redis.say("TYPE " + state_key) == "hash" && redis.say("TYPE " + month_key()) == "hash"; }));
    EXPECT_EQ(a.s->look().failures, 0U);
}

// Redis cannot help one holder: an error that is an answer.
TEST(redis_lies, a_holder_that_redis_cannot_serve_is_alone_and_nobody_else) {
    redis_server redis;
    redis_liar liar(redis.port());
    const auto a = opened(liar.url(), "a", rates(600, {}), 10);
    const gateway b{nullptr, a.s->get("client:other", rates(60'000, {}))};
    ASSERT_EQ(a.take({}).what, kind::granted);
    ASSERT_EQ(b.take({}).what, kind::granted);
    liar.lie([](std::string& answer) { answer = "-WRONGTYPE of a key\r\n"; }, "client:shop");
    ASSERT_TRUE(eventually([&] {
        a.take({});
        return a.look().alone;
    }));
    const auto before = a.s->look();
    for (const auto end = clock::now() + 2s; clock::now() < end; std::this_thread::sleep_for(5ms)) {
        EXPECT_EQ(b.take({}).what, kind::granted);
        a.take({});
        EXPECT_FALSE(b.look().alone);
    }
    const auto after = a.s->look();
    EXPECT_TRUE(after.up);
    EXPECT_EQ(after.failures, before.failures);
    EXPECT_LE(after.refused - before.refused, 8U) << "asked less and less often";
    EXPECT_EQ(*a.alarms, 1);
    liar.honest();
    EXPECT_TRUE(eventually([&] { return !a.look().alone; }, 6s));
}

// An error for every question is the store's, though the connection lives.
TEST(redis_lies, a_redis_that_serves_no_holder_is_away_and_comes_back) {
    redis_server redis;
    redis_liar liar(redis.port());
    const auto a = opened(liar.url(), "a", rates(60'000, {}), 1);
    ASSERT_EQ(a.take({}).what, kind::granted);
    liar.lie([](std::string& answer) { answer = "-WRONGTYPE of a key\r\n"; });
    ASSERT_TRUE(eventually([&] {
        EXPECT_EQ(a.take({}).what, kind::granted) << "its share";
        return !a.s->look().up;
    }));
    EXPECT_NE(a.s->look().last_error.find("WRONGTYPE"), std::string::npos) << a.s->look().last_error;
    liar.honest();
    EXPECT_TRUE(eventually([&] { return a.s->look().up && !a.look().alone; }, 8s));
}

TEST(redis_lies, permits_of_a_clock_that_was_ahead_are_none) {
    redis_server redis;
    const auto now = std::chrono::duration_cast<microseconds>(wall_clock::now().time_since_epoch()).count();
    redis.set_field(state_key, "c:gone.1", "4 " + std::to_string(now + 3'606'000'000));
    const auto a = opened(redis.url(), "a", permits(4));
    EXPECT_EQ(a.take({}).what, kind::granted);
    EXPECT_TRUE(eventually([&] { return redis.say("HEXISTS " + state_key + " c:gone.1") == "0"; }));
}

TEST(redis_lies, a_limit_that_changes_leaves_the_bucket_as_full_as_it_was) {
    redis_server redis;
    const auto a = opened(redis.url(), "a", rates(600'000, {}), 2);  // 20,000 at once
    for (int i = 0; i < 10'000; ++i) ASSERT_EQ(a.take({}).what, kind::granted);
    a.s->get("client:shop", rates(600, {}));  // 20 at once
    EXPECT_EQ(a.take({}).what, kind::granted);
    // A gateway that has not read the new file yet, and one that has.
    const auto b = opened(redis.url(), "b", rates(600'000, {}), 2);
    EXPECT_EQ(b.take({}).what, kind::granted);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(a.take({}).what, kind::granted) << i;
    a.s->get("client:shop", rates(600'000, {}));
    EXPECT_EQ(a.take({}).what, kind::granted);
    // A gateway where the client has no such limit leaves the bucket as it is.
    int left = 0;
    while (a.take({}).what == kind::granted) ++left;
    const auto c = opened(redis.url(), "c", rates({}, 60'000), 2);
    EXPECT_EQ(c.take({10, 0}).what, kind::granted);
    std::this_thread::sleep_for(60ms);
    EXPECT_GT(left, 1'000);
    EXPECT_GT(std::stod(redis.say("HGET " + state_key + " r")), 15'000);
}

TEST(redis_lies, processes_that_ended_are_summed_up_and_none_is_lost) {
    redis_server redis;
    const auto a = opened(redis.url(), "a", budget(10'000'000), 3);
    const auto b = opened(redis.url(), "b", budget(10'000'000), 3);
    ASSERT_EQ(a.take({1, 0}).what, kind::granted);
    a.settle({1, 0}, {1, 0});
    const auto key = month_key();
    const auto now = std::chrono::duration_cast<microseconds>(wall_clock::now().time_since_epoch()).count();
    for (int i = 0; i < 2'500; ++i) redis.set_field(key, "old." + std::to_string(i), "100 7 0 0 0");
    redis.set_field(key, "old.alive", "1000 0 0 0 " + std::to_string(now - 1'000'000));
    redis.set_field(key, "c.1", "50 0 0 0 1");
    const std::int64_t all = 1 + 2'500 * 100 + 1'000 + 50;
    EXPECT_TRUE(eventually([&] {
        for (const auto* g : {&a, &b}) g->h->take({20'000'000, 0}, clock::now(), wall_clock::now());
        return redis.say("HLEN " + key) == "5" && a.look().budget_tokens == all && b.look().budget_tokens == all;
    })) << redis.say("HLEN " + key)
        << ' ' << a.look().budget_tokens;  // a.<process>, old.-, old.alive, c.-, ~
    EXPECT_EQ(redis.say("HGET " + key + " old.-"), "250000 17500 0 0 0");
    redis.say("FLUSHALL");
    EXPECT_TRUE(eventually([&] {
        for (const auto* g : {&a, &b}) g->h->take({20'000'000, 0}, clock::now(), wall_clock::now());
        return redis.say("HGET " + key + " old.") == "251000 17500 0 0 0" && b.look().budget_tokens == all;
    })) << b.look().budget_tokens;
}

TEST(redis_lies, nothing_is_summed_up_after_a_pause_in_which_nobody_was_heard) {
    redis_server redis;
    const auto a = opened(redis.url(), "a", budget(10'000), 3);
    ASSERT_EQ(a.take({1, 0}).what, kind::granted);
    a.settle({1, 0}, {1, 0});
    ASSERT_TRUE(eventually([&] { return redis.say("HEXISTS " + month_key() + " ~") == "1"; }));
    // Until it says nothing any more.
    ASSERT_TRUE(eventually([&] {
        const auto trips = a.s->look().round_trips;
        std::this_thread::sleep_for(300ms);
        return a.s->look().round_trips == trips;
    }));
    const auto now = std::chrono::duration_cast<microseconds>(wall_clock::now().time_since_epoch()).count();
    const auto before = std::to_string(now - 600'000'000);
    redis.set_field(state_key, "at", before);
    redis.set_field(state_key, "of", before + " 0 0");
    redis.set_field(month_key(), "old.1", "100 0 0 0 1");
    a.h->take({20'000, 0}, clock::now(), wall_clock::now());
    ASSERT_TRUE(eventually([&] { return a.look().budget_tokens == 101; }));
    EXPECT_EQ(redis.say("HEXISTS " + month_key() + " old.1"), "1") << "it may be silent and alive";
}

TEST(redis_lies, names_are_not_summed_up_while_an_older_version_speaks) {
    redis_server redis;
    redis.set_field(month_key(), "old.1", "100 0 0 0 1");  // without the mark of this version
    const auto a = opened(redis.url(), "a", budget(10'000), 3);
    ASSERT_EQ(a.take({1, 0}).what, kind::granted);
    a.settle({1, 0}, {1, 0});
    ASSERT_TRUE(eventually([&] { return a.look().budget_tokens == 101; }));
    EXPECT_EQ(redis.say("HEXISTS " + month_key() + " old.1"), "1");
}

}  // namespace
}  // namespace spillway::quota
