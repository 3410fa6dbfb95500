#include <spillway/net/acceptor.hpp>

#include "../exchange_kit.hpp"

namespace spillway::proxy {
namespace attempt_test {

using kind = core::action::kind;

class attempt : public ::testing::Test {
protected:
    // The first instance's token. A renewal brings "new" in the loop's next round.
    std::shared_ptr<credentials::token_cell> use_token() {
        auto cell = std::make_shared<credentials::token_cell>();
        publish(*cell, "old");
        cell->on_renewal([this, c = cell.get()] {
            ++renewals_;
            kit_.worker().loop().post([this, c] {
                publish(*c, "new");
                kit_.worker().answers().fire();
            });
        });
        kit_.config->instances[0].token = cell;
        return cell;
    }
    static void publish(credentials::token_cell& cell, const std::string& token) {
        cell.publish(secret_text("Bearer " + token), clock::now() + hours(1));
        cell.finish(clock::now());
    }

    exchange_kit kit_;
    int renewals_{0};
};

TEST_F(attempt, sends_head_and_body_as_they_are_written_for_the_backend) {
    kit_.ask();
    kit_.one.answers(answer(200, "{}"));
    EXPECT_EQ(kit_.run_attempts().what, kind::commit);
    ASSERT_EQ(kit_.one.requests().size(), 1U);
    const auto& r = kit_.one.requests()[0];
    EXPECT_NE(r.find("host: one.example\r\n"), std::string::npos);
    EXPECT_TRUE(r.ends_with(R"({"model":"d-one","messages":[]})")) << r;
    EXPECT_EQ(kit_.asked->memory().out.view().find("instance-key"), std::string_view::npos) << "wiped when sent";
}

TEST_F(attempt, on_a_kept_connection_that_was_closed_is_made_again_on_a_fresh_one) {
    const int fd = *net::listen_on(*net::address::parse("127.0.0.1:0"), false);
    kit_.config->instances[0].to.port = net::local_address(fd).port();
    kit_.ask(exchange_kit::plain, "api-key: shop-key\r\n", false);
    kit_.one.connect(kit_.upstream(0), true);
    kit_.one.hangs_up();
    kit_.upstream(0).set_addresses({*net::address::parse("127.0.0.1:0")});
    net::stream fresh(kit_.worker().loop());
    bool came = false;
    net::acceptor accepting(kit_.worker().loop(), fd, [&](int c, const net::address&) {
        fresh.open(c);
        came = true;
    });
    kit_.meanwhile([&]() -> net::task<> {
        co_await kit_.until([&] { return came; });
        fresh.try_write(answer(200, "{}"));
    });
    EXPECT_EQ(kit_.run_attempts().what, kind::commit);
    EXPECT_EQ(kit_.tried->serving()->name, "one/d");
    EXPECT_EQ(kit_.tried->count(), 1U) << "it counts as nothing";
    EXPECT_TRUE(kit_.config->instances[0].state->closed());
    EXPECT_TRUE(kit_.two.requests().empty());
}

TEST_F(attempt, on_a_fresh_connection_that_is_closed_goes_elsewhere) {
    kit_.ask();
    kit_.one.hangs_up();
    kit_.two.answers(answer(200, "{}"));
    EXPECT_EQ(kit_.run_attempts().what, kind::commit);
    EXPECT_EQ(kit_.tried->serving()->name, "two/d");
    EXPECT_EQ(kit_.watcher.errors, (std::vector<std::string>{"reset_before_head"}));
}

TEST_F(attempt, that_gets_no_http_goes_elsewhere) {
    kit_.ask();
    kit_.one.answers("nonsense\r\n\r\n");
    kit_.two.answers(answer(200, "{}"));
    EXPECT_EQ(kit_.run_attempts().what, kind::commit);
    EXPECT_EQ(kit_.watcher.errors, (std::vector<std::string>{"bad_response"}));
}

TEST_F(attempt, with_a_refused_token_is_repeated_once_with_a_new_one) {
    use_token();
    kit_.ask();
    kit_.one.answers(answer(401, "{}"));
    kit_.one.answers(answer(200, "{}"));
    EXPECT_EQ(kit_.run_attempts().what, kind::commit);
    ASSERT_EQ(kit_.one.requests().size(), 2U);
    EXPECT_NE(kit_.one.requests()[0].find("Bearer old\r\n"), std::string::npos);
    EXPECT_NE(kit_.one.requests()[1].find("Bearer new\r\n"), std::string::npos);
    EXPECT_EQ(renewals_, 1);
    EXPECT_EQ(kit_.tried->count(), 1U);
}

TEST_F(attempt, with_a_renewed_token_that_is_refused_goes_elsewhere) {
    use_token();
    kit_.ask();
    kit_.one.answers(answer(401, "{}"));
    kit_.one.answers(answer(401, "{}"));
    kit_.two.answers(answer(200, "{}"));
    EXPECT_EQ(kit_.run_attempts().what, kind::commit);
    EXPECT_EQ(kit_.tried->serving()->name, "two/d");
    EXPECT_EQ(kit_.one.requests().size(), 2U);
    EXPECT_EQ(renewals_, 1);
}

TEST_F(attempt, with_a_refused_key_goes_elsewhere) {
    kit_.ask();
    kit_.one.answers(answer(401, "{}"));
    kit_.two.answers(answer(200, "{}"));
    EXPECT_EQ(kit_.run_attempts().what, kind::commit);
    EXPECT_EQ(kit_.one.requests().size(), 1U) << "asking again brings the same key";
}

TEST_F(attempt, whose_first_byte_does_not_come_is_given_up_where_it_may_be_paid) {
    kit_.config->pools[0].deadlines.first_byte = milliseconds(30);
    kit_.ask();
    const auto next = kit_.run_attempts();
    EXPECT_EQ(next.what, kind::reply);
    EXPECT_EQ(next.why.status, 504);
    EXPECT_TRUE(kit_.two.requests().empty());
}

TEST_F(attempt, of_a_stream_is_committed_when_an_event_means_something) {
    kit_.ask(exchange_kit::streaming);
    kit_.one.answers(stream_of(": thinking\n\n"));
    std::size_t before = 0;
    kit_.meanwhile([&]() -> net::task<> {
        co_await kit_.until([&] { return !kit_.one.requests().empty(); });
        co_await kit_.rounds();
        before = kit_.tried->front().body_bytes();
        kit_.one.says(chunk(hello));
    });
    EXPECT_EQ(kit_.run_attempts().what, kind::commit);
    EXPECT_GT(before, 0U) << "the comment was there, and was no answer";
    EXPECT_GT(kit_.tried->front().body_bytes(), before);
}

TEST_F(attempt, of_a_stream_that_begins_with_an_error_goes_elsewhere) {
    kit_.ask(exchange_kit::streaming);
    kit_.one.answers(stream_of("data: {\"error\":{\"code\":\"429\",\"message\":\"m\"}}\n\n") + "0\r\n\r\n");
    kit_.two.answers(stream_of(hello));
    EXPECT_EQ(kit_.run_attempts().what, kind::commit);
    EXPECT_EQ(kit_.tried->serving()->name, "two/d");
}

TEST_F(attempt, that_gets_a_200_with_nothing_in_it_goes_elsewhere) {
    kit_.ask();
    kit_.one.answers(answer(200, ""));
    kit_.two.answers(answer(200, "{}"));
    EXPECT_EQ(kit_.run_attempts().what, kind::commit);
    EXPECT_EQ(kit_.watcher.errors, (std::vector<std::string>{"empty_answer"}));
}

}  // namespace attempt_test
}  // namespace spillway::proxy
