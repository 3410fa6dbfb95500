#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <utility>

#include "stream_fixture.hpp"

// What a peer cannot do to a stream or to the loop: pretend an end, keep it busy, keep others waiting.
using namespace spillway;
using namespace spillway::net;

namespace {

class bounds : public stream_fixture {};

}  // namespace

TEST_P(bounds, an_end_that_nobody_signed_is_no_end_over_tls) {
    bool politely = false;
    serve([&](stream& io) -> task<> {
        const io_result w = co_await io.write_all("half", soon());
        EXPECT_TRUE(w.ok());
        if (politely) co_return;  // and is closed so
        ::shutdown(io.fd(), SHUT_WR);
        char in[8];
        const io_result r = co_await io.read_some(in, soon());
        EXPECT_FALSE(r.ok());
    });
    const auto client = [&, this]() -> task<> {
        for (politely = false;; politely = true) {
            auto c = co_await up->acquire(true, seconds(20), nullptr);
            EXPECT_EQ(c.error, connect_error::none) << c.detail;
            auto& io = c.connection->io;
            char in[64];
            io_result r = co_await io.read_some(in, soon());
            EXPECT_EQ(r.bytes, 4U);
            r = co_await io.read_some(in, soon());
            const bool cut = GetParam() && !politely;
            EXPECT_EQ(r.status, cut ? io_status::failed : io_status::closed);
            EXPECT_EQ(io.truncated(), cut);
            r = co_await io.read_some(in, soon());  // whoever asks once more hears the same
            EXPECT_EQ(r.status, cut ? io_status::failed : io_status::closed);
            if (cut) {
                EXPECT_NE(io.failure().find("unexpected eof"), std::string::npos) << io.failure();
            }
            io.abort();
            if (politely) break;
        }
    };
    run(client());
}

TEST_P(bounds, key_updates_are_bounded) {
    if (!GetParam()) GTEST_SKIP() << "TLS only";
    bool flooded = false;
    std::size_t got = 0;
    serve([&](stream& io) -> task<> {
        char in[64];
        for (;;) {
            const io_result r = co_await io.read_some(in, soon());
            flooded = io.flooded();
            if (!r.ok()) co_return;
            got += r.bytes;
        }
    });
    const auto client = [&, this]() -> task<> {
        auto c = co_await up->acquire(true, seconds(20), nullptr);
        EXPECT_EQ(c.error, connect_error::none) << c.detail;
        auto& io = c.connection->io;
        const auto update = [&](int times) {
            for (int i = 0; i < times; ++i) {
                EXPECT_EQ(SSL_key_update(io.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
                EXPECT_EQ(SSL_do_handshake(io.ssl()), 1);
            }
        };
        update(20);
        const io_result w = co_await io.write_all("data", soon());
        EXPECT_TRUE(w.ok());
        while (got < 4) co_await sleep_until(l, clock::now() + milliseconds(1));
        EXPECT_FALSE(flooded) << "a few are what a careful peer does";
        update(80);
        char in[8];
        const io_result r = co_await io.read_some(in, soon());
        EXPECT_FALSE(r.ok());
        EXPECT_TRUE(flooded);
    };
    run(client());
}

TEST_P(bounds, a_peer_that_never_stops_leaves_the_loop_to_others) {
    const std::string much(8 << 20, 'x');
    serve([&](stream& io) -> task<> {
        const io_result w = co_await io.write_all(much, soon());
        EXPECT_TRUE(w.ok());
        io.close(true);
    });
    std::size_t longest = 0, since = 0, got = 0;
    bool over = false, ended = false;
    const auto other = [&, this]() -> task<> {
        while (!over) {
            longest = std::max(longest, std::exchange(since, 0));
            co_await yield(l);
        }
    };
    const auto client = [&, this]() -> task<> {
        auto c = co_await up->acquire(true, seconds(20), nullptr);
        std::vector<char> in(65536);
        for (;;) {
            const io_result r = co_await c.connection->io.read_some(in, soon());
            if (!r.ok()) break;
            since += r.bytes;
            got += r.bytes;
        }
        over = true;
        while (!ended) co_await yield(l);
    };
    spawn(other(), [&](std::exception_ptr e) {
        EXPECT_FALSE(e);
        ended = true;
    });
    run(client());
    EXPECT_EQ(got, much.size());
    EXPECT_LE(longest, 1U << 20);
}

INSTANTIATE_TEST_SUITE_P(streams, bounds, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "tls" : "plain"; });

TEST(loop_bounds, those_who_yield_have_one_share_of_a_round_together) {
    loop l;
    constexpr int many = 40;
    int running = many, rounds = 0;
    bool over = false;
    const auto busy = [&]() -> task<> {
        for (int i = 0; i < 3; ++i) {
            co_await yield(l);
            for (const time_point until = clock::now() + milliseconds(1); clock::now() < until;) {
            }
        }
    };
    struct tick {
        loop& l;
        int& rounds;
        bool& over;
        timer t{[](void* self) noexcept {
                    auto& me = *static_cast<tick*>(self);
                    ++me.rounds;
                    if (!me.over) me.l.wheel().schedule(me.t, me.l.now());
                },
                this};
    } every{l, rounds, over};
    l.post([&] {
        l.wheel().schedule(every.t, l.now());
        for (int i = 0; i < many; ++i)
            spawn(busy(), [&](std::exception_ptr e) {
                EXPECT_FALSE(e);
                if (--running > 0) return;
                over = true;
                l.stop();
            });
    });
    l.run();
    // 120 ms of work: without a bound it would take three or four rounds.
    EXPECT_GE(rounds, 10);
}
