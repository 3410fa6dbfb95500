#include <spillway/credentials/token_keeper.hpp>

#include <gtest/gtest.h>

#include <deque>

#include "unit/net/plain_server.hpp"

namespace spillway::credentials {
namespace token_keeper_test {

token_answer good(const std::string& token, duration life = hours(1)) {
    got_token out;
    out.token = secret_text(token);
    out.times = {clock::now(), clock::now() + life, {}};
    return out;
}
token_answer bad(const std::string& why, std::optional<duration> told = {}) {
    no_token out;
    out.how = {500, told};
    out.message = why;
    return out;
}

// Gives the answers that a test wrote down, then none until it is stopped.
struct script {
    std::deque<token_answer> answers;
    std::vector<token_ask> asked;
};
class scripted final : public token_source {
public:
    scripted(std::shared_ptr<script> s, net::loop& l) : script_(std::move(s)), loop_(l) {}
    net::task<token_answer> get(net::fetcher&, const token_ask& asked, net::interrupt* stop) override {
        script_->asked.push_back(asked);
        if (script_->answers.empty()) co_await net::sleep_until(loop_, clock::now() + seconds(20), stop);
        if (script_->answers.empty()) co_return bad("stopped");
        auto out = std::move(script_->answers.front());
        script_->answers.pop_front();
        co_return out;
    }
    std::string describe() const override { return "the script"; }

private:
    std::shared_ptr<script> script_;
    net::loop& loop_;
};

class token_keeping : public ::testing::Test {
protected:
    std::shared_ptr<script> writes(std::deque<token_answer> answers) {
        auto out = std::make_shared<script>();
        out->answers = std::move(answers);
        return out;
    }

    // Runs a keeper with that source; `story` is called after each answer, counted from one, and ends it by false.
    void run(const std::shared_ptr<script>& s, std::function<bool(token_keeper&, int)> story) {
        token_keeper keeper(fetcher, cell, std::make_unique<scripted>(s, l), "scope", 1);
        keeper.on_trouble([this](std::string what) { troubles.push_back(std::move(what)); });
        int answers = 0;
        keeper.on_answer([&] {
            if (!story(keeper, ++answers)) keeper.stop();
        });
        net::spawn(keeper.run(), [this](std::exception_ptr e) {
            EXPECT_FALSE(e);
            l.stop();
        });
        l.run();
    }

    net::loop l;
    net::fetcher fetcher{l};
    std::shared_ptr<token_cell> cell = std::make_shared<token_cell>();
    std::vector<std::string> troubles;
};

TEST_F(token_keeping, the_first_token_comes_at_once) {
    const auto s = writes({good("t")});
    run(s, [&](token_keeper&, int) {
        EXPECT_FALSE(cell->starting() || cell->renewing());
        EXPECT_TRUE(cell->usable(clock::now()));
        EXPECT_EQ(cell->get()->field_value.view(), "Bearer t");
        const auto next = cell->report().next - clock::now();
        EXPECT_GT(next, minutes(26));
        EXPECT_LE(next, minutes(30));
        return false;
    });
    ASSERT_EQ(s->asked.size(), 1U);
    EXPECT_EQ(s->asked[0].scope, "scope");
    EXPECT_EQ(s->asked[0].claims, "");
    EXPECT_TRUE(troubles.empty());
}

TEST_F(token_keeping, a_refused_token_is_replaced_with_what_the_backend_wants_proven) {
    const auto s = writes({good("one"), good("two"), good("three")});
    run(s, [&](token_keeper&, int n) {
        const std::uint64_t refused = cell->version();
        EXPECT_TRUE(n == 3 || cell->renew(refused, n == 1 ? "claims" : "", time_point(hours(100 * n))));
        return n < 3;
    });
    EXPECT_EQ(cell->get()->field_value.view(), "Bearer three");
    EXPECT_EQ(cell->version(), 3U);
    ASSERT_EQ(s->asked.size(), 3U);
    EXPECT_EQ(s->asked[1].claims, "claims");
    EXPECT_EQ(s->asked[2].claims, "") << "it was proven once";
}

TEST_F(token_keeping, the_old_token_serves_while_the_source_fails_and_trouble_is_told_once) {
    const auto s = writes({good("one"), bad("away", seconds(60)), bad("still away", seconds(60)), good("two")});
    run(s, [&](token_keeper&, int n) {
        EXPECT_EQ(cell->get()->field_value.view(), n < 4 ? "Bearer one" : "Bearer two");
        EXPECT_EQ(cell->report().failures_in_a_row, n == 2 ? 1U : n == 3 ? 2U : 0U);
        EXPECT_GT(cell->report().next - clock::now(), seconds(50)) << "as it was told";
        EXPECT_TRUE(cell->renew(1, "", time_point(hours(100 * n))));
        return n < 4;
    });
    EXPECT_EQ(troubles, (std::vector<std::string>{"no token for the gateway: away",
                                                  "the gateway's token comes again: the script"}));
}

TEST_F(token_keeping, without_any_token_yet_waiting_for_it_is_over_after_the_first_failure) {
    run(writes({bad("away")}), [&](token_keeper&, int) {
        EXPECT_FALSE(cell->starting());
        EXPECT_EQ(cell->get(), nullptr);
        EXPECT_EQ(cell->report().last_error, "away");
        return false;
    });
}

TEST_F(token_keeping, another_secret_is_asked_at_once_while_the_old_token_serves) {
    const auto old = writes({good("one")}), next = writes({good("two")});
    run(old, [&](token_keeper& k, int n) {
        if (n == 1) k.adopt(std::make_unique<scripted>(next, l));
        return n < 2;
    });
    EXPECT_EQ(cell->get()->field_value.view(), "Bearer two");
    EXPECT_EQ(old->asked.size(), 1U);
    EXPECT_EQ(next->asked.size(), 1U);
}

TEST_F(token_keeping, ends_while_a_source_is_being_asked_and_can_be_complained_to_afterwards) {
    auto s = writes({});
    const time_point before = clock::now();
    auto keeper = std::make_unique<token_keeper>(fetcher, cell, std::make_unique<scripted>(s, l), "scope", 1);
    net::spawn(keeper->run(), [this](std::exception_ptr) { l.stop(); });
    l.post([&] { keeper->stop(); });
    l.run();
    EXPECT_LT(clock::now() - before, seconds(10));
    keeper.reset();
    cell->publish(secret_text("t"), clock::now() + hours(1));
    cell->finish(clock::now());
    EXPECT_TRUE(cell->renew(1, "", time_point(hours(100))));
}

}  // namespace token_keeper_test
}  // namespace spillway::credentials
