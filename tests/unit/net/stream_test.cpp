#include <spillway/net/acceptor.hpp>
#include <spillway/net/loop.hpp>
#include <spillway/net/stream.hpp>
#include <spillway/net/upstream.hpp>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <vector>

#include "stream_fixture.hpp"

using namespace spillway;
using namespace spillway::net;

namespace {

using fixture = stream_fixture;

task<> echo(stream& io) {
    std::vector<char> buffer(20000);
    for (;;) {
        const io_result r = co_await io.read_some(buffer, clock::now() + seconds(20));
        if (!r.ok()) co_return;
        const io_result w = co_await io.write_all({buffer.data(), r.bytes}, clock::now() + seconds(20));
        if (!w.ok()) co_return;
    }
}

}  // namespace

TEST_P(fixture, megabytes_come_back_unchanged_through_partial_writes) {
    serve(echo);
    const auto client = [this]() -> task<> {
        auto c = co_await up->acquire(false, seconds(20), nullptr);
        EXPECT_EQ(c.error, connect_error::none) << c.detail;
        std::string sent, got;
        for (int i = 0; i < 300000; ++i) sent += "0123456789abcdef"[i * 7 % 16];
        std::vector<char> in(65536);
        // Small enough that both directions never fill at once: the peer writes before it reads on.
        for (std::size_t at = 0; at < sent.size(); at += 50000) {
            const auto piece = std::string_view(sent).substr(at, 50000);
            const io_result w = co_await c.connection->io.write_all(piece, soon());
            EXPECT_TRUE(w.ok());
            while (got.size() < at + piece.size()) {
                const io_result r = co_await c.connection->io.read_some(in, soon());
                EXPECT_TRUE(r.ok());
                if (!r.ok()) co_return;
                got.append(in.data(), r.bytes);
            }
        }
        EXPECT_EQ(sent, got);
    };
    run(client());
}

TEST_P(fixture, a_released_connection_is_used_again_and_tls_sessions_are_resumed) {
    serve(echo);
    const auto client = [this]() -> task<> {
        for (int round = 0; round < 3; ++round) {
            auto c = co_await up->acquire(round == 2, seconds(20), nullptr);
            EXPECT_EQ(c.error, connect_error::none) << c.detail;
            if (c.error != connect_error::none) co_return;
            EXPECT_EQ(c.connection->reused(), round == 1);
            const io_result w = co_await c.connection->io.write_all("x", soon());
            EXPECT_TRUE(w.ok());
            char in[8];
            const io_result r = co_await c.connection->io.read_some(in, soon());
            EXPECT_TRUE(r.ok());
            up->release(std::move(c.connection), true);
        }
        EXPECT_EQ(up->counters().opened, 2U);
        EXPECT_EQ(up->counters().reused, 1U);
        EXPECT_EQ(up->counters().resumed, GetParam() ? 1U : 0U);
    };
    run(client());
}

TEST_P(fixture, an_idle_connection_that_the_server_closes_or_that_gets_bytes_is_dropped) {
    bool chatty = false;
    serve([&](stream& io) -> task<> {
        char in[8];
        const io_result r = co_await io.read_some(in, soon());
        EXPECT_TRUE(r.ok());
        const io_result w = co_await io.write_all("y", soon());
        EXPECT_TRUE(w.ok());
        co_await sleep_until(l, clock::now() + milliseconds(30));
        if (chatty) {
            const io_result late = co_await io.write_all("nobody asked", soon());
            EXPECT_TRUE(late.ok());
            co_await sleep_until(l, clock::now() + milliseconds(200));
        }
    });
    const auto client = [&, this]() -> task<> {
        for (int round = 1; round <= 2; ++round) {
            auto c = co_await up->acquire(false, seconds(20), nullptr);
            const io_result w = co_await c.connection->io.write_all("x", soon());
            EXPECT_TRUE(w.ok());
            char in[8];
            const io_result r = co_await c.connection->io.read_some(in, soon());
            EXPECT_TRUE(r.ok());
            up->release(std::move(c.connection), true);
            EXPECT_EQ(up->counters().idle, 1U);
            co_await sleep_until(l, clock::now() + milliseconds(100));
            EXPECT_EQ(up->counters().idle, 0U);
            EXPECT_EQ(up->counters().closed_idle, static_cast<std::uint64_t>(round));
            chatty = true;
        }
        EXPECT_EQ(up->counters().unexpected_bytes, 1U);
    };
    run(client());
}

TEST_P(fixture, a_wait_ends_at_its_deadline_and_at_once_when_interrupted) {
    serve([this](stream& io) -> task<> {
        char in[8];
        const io_result r = co_await io.read_some(in, soon());
        EXPECT_EQ(r.status, io_status::closed);
    });
    const auto client = [this]() -> task<> {
        auto c = co_await up->acquire(false, seconds(20), nullptr);
        char in[8];
        const time_point before = clock::now();
        io_result r = co_await c.connection->io.read_some(in, before + milliseconds(60));
        EXPECT_EQ(r.status, io_status::timed_out);
        EXPECT_GE(clock::now() - before, milliseconds(60));
        interrupt stop;
        struct later {
            interrupt& i;
            timer t{[](void* self) noexcept { static_cast<later*>(self)->i.fire(); }, this};
        } later{stop};
        l.wheel().schedule(later.t, clock::now() + milliseconds(30));
        r = co_await c.connection->io.read_some(in, soon(), &stop);
        EXPECT_EQ(r.status, io_status::interrupted);
        r = co_await c.connection->io.read_some(in, soon(), &stop);
        EXPECT_EQ(r.status, io_status::interrupted) << "a fired interrupt stays fired";
    };
    run(client());
}

TEST_P(fixture, connect_failures_are_told_apart) {
    serve(echo);
    const auto client = [this]() -> task<> {
        endpoint nowhere = up->target();
        nowhere.port = 1;
        upstream refused(l, nowhere, {});
        refused.set_addresses({*address::parse("127.0.0.1:1")});
        auto c = co_await refused.acquire(false, seconds(5), nullptr);
        EXPECT_EQ(c.error, connect_error::connect);
        upstream unknown(l, up->target(), {});
        unknown.set_addresses({});
        c = co_await unknown.acquire(false, seconds(5), nullptr);
        EXPECT_EQ(c.error, connect_error::dns);
        upstream unresolved(l, up->target(), {});
        c = co_await unresolved.acquire(false, milliseconds(40), nullptr);
        EXPECT_EQ(c.error, connect_error::dns);
        if (!GetParam()) co_return;
        endpoint misnamed = up->target();
        misnamed.tls_name = "other.example";
        upstream wrong(l, misnamed, {});
        wrong.set_addresses({*address::parse("127.0.0.1:1")});
        c = co_await wrong.acquire(false, seconds(5), nullptr);
        EXPECT_EQ(c.error, connect_error::tls) << c.detail;
        EXPECT_NE(c.detail.find("ostname mismatch"), std::string::npos) << c.detail;
    };
    run(client());
}

TEST_P(fixture, who_cannot_write_hears_what_the_peer_says) {
    bool heard = false;
    serve([&, this](stream& io) -> task<> {
        char in[8];
        const io_result r = co_await io.read_some(in, soon());
        EXPECT_TRUE(r.ok());
        const io_result w = co_await io.write_all("enough", soon());
        EXPECT_TRUE(w.ok());
        // Nothing is read any more.
        while (!heard) co_await sleep_until(l, clock::now() + milliseconds(1));
    });
    const auto client = [&, this]() -> task<> {
        auto c = co_await up->acquire(false, seconds(20), nullptr);
        auto& io = c.connection->io;
        const std::string much(1 << 20, 'x');
        char in[64];
        std::size_t got = 0;
        for (;;) {
            const io_result w = io.try_write(much);
            EXPECT_TRUE(w.ok() || w.waits());
            if (w.ok()) continue;
            const io_result r = io.try_read(in);
            if (r.ok()) {
                got += r.bytes;
                if (got == 6) break;
                continue;
            }
            EXPECT_TRUE(r.waits());
            const wake woken = co_await io.events().wait_either(soon());
            EXPECT_EQ(woken, wake::ready);
        }
        EXPECT_EQ(std::string_view(in, 6), "enough");
        heard = true;
        io.abort();
    };
    run(client());
}

TEST_P(fixture, a_shortage_here_is_told_apart_from_an_instance_that_refuses) {
    serve(echo);
    const auto client = [this]() -> task<> {
        rlimit before{};
        EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
        // The lowest number that is free is the next one.
        const int next = ::dup(0);
        ::close(next);
        rlimit none = before;
        none.rlim_cur = static_cast<rlim_t>(next);
        EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
        auto c = co_await up->acquire(true, seconds(5), nullptr);
        ::setrlimit(RLIMIT_NOFILE, &before);
        EXPECT_EQ(c.error, connect_error::local) << c.detail;
        c = co_await up->acquire(true, seconds(20), nullptr);
        EXPECT_EQ(c.error, connect_error::none) << c.detail;
    };
    run(client());
}

INSTANTIATE_TEST_SUITE_P(streams, fixture, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "tls" : "plain"; });
