#pragma once

#include <spillway/net/acceptor.hpp>
#include <spillway/net/loop.hpp>
#include <spillway/net/stream.hpp>
#include <spillway/net/upstream.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

#include "test_certificate.hpp"

namespace spillway::net {

// A server on the same loop as the test's client: every connection runs `serve`.
class stream_fixture : public ::testing::TestWithParam<bool> {
protected:
    using service = std::function<task<>(stream&)>;

    void serve(service s) {
        service_ = std::move(s);
        const int fd = *listen_on(*address::parse("127.0.0.1:0"), false);
        port = local_address(fd).port();
        accepting_ = std::make_unique<acceptor>(l, fd, [this](int c, const address&) {
            auto& io = *connections_.emplace_back(std::make_unique<stream>(l));
            io.open(c);
            ++serving_;
            spawn(one(io), [this](std::exception_ptr e) {
                EXPECT_FALSE(e);
                --serving_;
                stop_when_all_is_over();
            });
        });
        endpoint to;
        to.host = "localhost";
        to.port = port;
        if (GetParam()) {
            to.tls = *make_client_context(certificate().ca_file());
            server_ = *make_server_context({certificate().cert_file(), certificate().key_file()});
        }
        up = std::make_unique<upstream>(l, to, upstream_limits{});
        up->set_addresses({*address::parse("127.0.0.1:0")});
    }

    void run(task<> work) {
        spawn(std::move(work), [this](std::exception_ptr e) {
            EXPECT_FALSE(e);
            client_is_done_ = true;
            // The server's side ends when its clients are gone; a coroutine that nobody ends would leak.
            if (up) up->close_idle();
            stop_when_all_is_over();
        });
        l.run();
    }

    static const test_certificate& certificate() {
        static const test_certificate c;
        return c;
    }

    loop l;
    std::uint16_t port{0};
    std::unique_ptr<upstream> up;
    time_point soon() const { return clock::now() + seconds(20); }

private:
    void stop_when_all_is_over() {
        if (client_is_done_ && serving_ == 0) l.stop();
    }
    task<> one(stream& io) {
        if (server_) {
            SSL* ssl = SSL_new(server_.get());
            SSL_set_accept_state(ssl);
            io.start_tls(ssl);
            const io_result r = co_await io.handshake(soon());
            if (!r.ok()) co_return;
        }
        co_await service_(io);
        io.close(true);
    }

    int serving_{0};
    bool client_is_done_{false};
    service service_;
    ssl_ctx_ptr server_;
    std::unique_ptr<acceptor> accepting_;
    std::vector<std::unique_ptr<stream>> connections_;
};

}  // namespace spillway::net
