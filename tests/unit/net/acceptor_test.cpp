#include <spillway/net/acceptor.hpp>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <vector>

#include <spillway/net/task.hpp>

namespace spillway::net {
namespace {

class acceptors : public ::testing::Test {
protected:
    ~acceptors() override {
        for (const int fd : open_) ::close(fd);
    }
    void listen(std::function<void()> then) {
        const int fd = *listen_on(*address::parse("127.0.0.1:0"), false);
        at_ = local_address(fd);
        from = std::make_unique<acceptor>(l, fd, [this, then = std::move(then)](int c, const address& peer) {
            EXPECT_EQ(peer.ip(), "127.0.0.1");
            open_.push_back(c);
            ++taken;
            then();
        });
    }
    void connect() {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        open_.push_back(fd);
        EXPECT_EQ(::connect(fd, at_.data(), at_.size()), 0);
    }
    bool anybody_listens() const {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const bool yes = ::connect(fd, at_.data(), at_.size()) == 0;
        ::close(fd);
        return yes;
    }
    // What is due now has come when this has: it takes a few rounds.
    void run_for(duration length) {
        const auto end = [&]() -> task<> {
            co_await sleep_until(l, clock::now() + length);
            l.stop();
        };
        spawn(end(), [](const std::exception_ptr&) {});
        l.run();
    }

    loop l;
    std::unique_ptr<acceptor> from;
    int taken{0};

private:
    address at_;
    std::vector<int> open_;
};

TEST_F(acceptors, take_one_burst_after_the_other) {
    listen([&] {
        if (taken == 3) connect();
        if (taken == 4) l.stop();
    });
    for (int i = 0; i < 3; ++i) connect();
    l.run();
    EXPECT_EQ(taken, 4);
}

TEST_F(acceptors, may_go_away_while_they_wait) {
    listen([] { FAIL() << "nobody accepts any more"; });
    connect();
    l.post([&] { from.reset(); });
    run_for(milliseconds(30));
    EXPECT_FALSE(anybody_listens());
}

TEST_F(acceptors, may_go_away_before_the_loop_runs_and_after_it) {
    listen([] {});
    from.reset();
    listen([] {});
    run_for(milliseconds(15));
    from.reset();
    EXPECT_FALSE(anybody_listens());
}

TEST_F(acceptors, may_go_away_while_they_take) {
    listen([&] {
        from.reset();
        l.stop();
    });
    connect();
    connect();
    l.run();
    EXPECT_EQ(taken, 1);
}

TEST_F(acceptors, take_nothing_more_once_they_are_stopped) {
    listen([&] { from->stop(); });
    connect();
    connect();
    run_for(milliseconds(30));
    EXPECT_EQ(taken, 1);
    EXPECT_FALSE(anybody_listens());
}

TEST_F(acceptors, take_the_next_after_a_pause) {
    time_point paused;
    listen([&] {
        if (taken == 2) {
            EXPECT_GE(clock::now(), paused + milliseconds(30));
            l.stop();
            return;
        }
        paused = clock::now();
        from->pause(milliseconds(30));
    });
    connect();
    connect();
    l.run();
    EXPECT_EQ(taken, 2);
    EXPECT_EQ(from->refused(), 0U);
}

}  // namespace
}  // namespace spillway::net
