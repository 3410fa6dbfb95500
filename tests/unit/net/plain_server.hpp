#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/net/acceptor.hpp>
#include <spillway/net/loop.hpp>
#include <spillway/net/stream.hpp>

namespace spillway::net {

// Lets the loop go on until the condition holds, which it does soon.
template <class Condition>
task<> eventually(loop& l, Condition holds) {
    const time_point deadline = clock::now() + seconds(20);
    while (!holds()) {
        if (clock::now() > deadline) {
            ADD_FAILURE() << "it never came";
            co_return;
        }
        co_await sleep_until(l, clock::now() + milliseconds(1));
    }
}

// A server without TLS on the loop of the test itself. It gives each connection one answer, as the test spells it out
// byte by byte, and keeps the requests.
class plain_server {
public:
    // What is sent for a request; empty: nothing at all, until the client leaves.
    using answering = std::function<std::string(std::string_view request)>;

    plain_server(loop& l, answering how) : loop_(l), answer_(std::move(how)) {
        const int fd = *listen_on(*address::parse("127.0.0.1:0"), false);
        port_ = local_address(fd).port();
        accepting_ = std::make_unique<acceptor>(l, fd, [this](int c, const address&) {
            auto& io = *connections_.emplace_back(std::make_unique<stream>(loop_));
            io.open(c);
            ++open_;
            spawn(serve(io), [this](std::exception_ptr e) {
                EXPECT_FALSE(e);
                --open_;
                stop_when_all_is_over();
            });
        });
    }

    std::string url(std::string_view path) const {
        return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
    }
    const std::vector<std::string>& requests() const { return requests_; }

    // Runs the loop until the work is done and nobody is being served: a coroutine that nobody ends would leak.
    void run(task<> work) {
        spawn(std::move(work), [this](std::exception_ptr e) {
            EXPECT_FALSE(e);
            done_ = true;
            stop_when_all_is_over();
        });
        loop_.run();
    }

    static std::string ok(const std::string& body, const std::string& more = {}, int status = 200) {
        return "HTTP/1.1 " + std::to_string(status) + " X\r\n" + more +
               "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    }

private:
    void stop_when_all_is_over() {
        if (done_ && open_ == 0) loop_.stop();
    }

    static bool complete(const std::string& request) {
        const auto end = request.find("\r\n\r\n");
        if (end == std::string::npos) return false;
        const auto length = request.find("Content-Length: ");
        return length > end || request.size() >= end + 4 + std::stoul(request.substr(length + 16));
    }

    task<> serve(stream& io) {
        const time_point deadline = clock::now() + seconds(20);
        std::string request;
        char room[4096];
        while (!complete(request)) {
            const io_result r = co_await io.read_some(room, deadline);
            if (!r.ok()) co_return;
            request.append(room, r.bytes);
        }
        requests_.push_back(request);
        const std::string answer = answer_(request);
        if (answer.empty()) {
            const io_result left = co_await io.read_some(room, deadline);
            EXPECT_FALSE(left.ok());
        } else {
            co_await io.write_all(answer, deadline);
        }
        io.close();
    }

    loop& loop_;
    answering answer_;
    std::uint16_t port_{0};
    std::size_t open_{0};
    bool done_{false};
    std::vector<std::string> requests_;
    std::vector<std::unique_ptr<stream>> connections_;
    std::unique_ptr<acceptor> accepting_;
};

}  // namespace spillway::net
